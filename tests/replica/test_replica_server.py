"""The server: its log, its manners, its faults, and the command that starts it."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys

import pytest
import requests
from typer.testing import CliRunner

from manifests.errors import DeepfieldError, UsageError
from scrapers.replica.cli import replica_app
from scrapers.replica.exchange import Reply
from scrapers.replica.faults import Faults
from scrapers.replica.server import ReplicaServer, serve
from scrapers.replica.sky import synthetic_sky

SEARCH = "/cgi-bin/hlaSIAP.cgi?pos=210.80227,54.34895&size=0.1&imagetype=color"
START = "from scrapers.replica.cli import replica_app; replica_app()"


@pytest.fixture(scope="module")
def sky():
    return synthetic_sky(seed=1, visits=4, sides_px=(96, 128))


def test_requests_are_logged_with_what_was_sent(sky, tmp_path):
    with serve(sky, access_log=tmp_path / "log" / "access.jsonl") as server:
        reply = requests.get(server.url + SEARCH, timeout=30)
        missing = requests.get(f"{server.url}/nowhere", timeout=30)
        head = requests.head(server.url + SEARCH, timeout=30)
        log = server.log
    assert missing.status_code == 404
    assert head.headers["Content-Length"] == str(len(reply.content))
    assert [(line.method, line.path, line.status, line.bytes) for line in log] == [
        ("GET", "/cgi-bin/hlaSIAP.cgi", 200, len(reply.content)),
        ("GET", "/nowhere", 404, len(missing.content)),
        ("HEAD", "/cgi-bin/hlaSIAP.cgi", 200, 0),
    ]
    assert log[0].query == SEARCH.partition("?")[2]
    lines = [json.loads(line) for line in (tmp_path / "log" / "access.jsonl").read_text().splitlines()]
    assert [line["path"] for line in lines] == [line.path for line in log]


def test_a_form_can_be_posted_on_a_connection_that_stays_open():
    routes = {"/ask": lambda request: Reply(json.dumps(request.form).encode(), "application/json")}
    form = {"request": '{"a": "b&c=d"}', "empty": ""}
    with ReplicaServer(routes) as server, requests.Session() as session:
        assert [session.post(f"{server.url}/ask", data=form, timeout=30).json() for _ in range(2)] == [form, form]
        assert session.get(f"{server.url}/ask", timeout=30).json() == {}
        assert [line.method for line in server.log] == ["POST", "POST", "GET"]


def test_connections_are_kept_alive(sky):
    with serve(sky) as server, requests.Session() as session:
        for _ in range(3):
            reply = session.get(server.url + SEARCH, timeout=30)
            assert reply.raw.version == 11
            assert "close" not in reply.headers.get("Connection", "")


def test_robots_and_truth_are_served_whatever_goes_wrong(sky):
    with serve(sky, faults=Faults(1.0, ("unavailable",)), crawl_delay_s=0.5) as server:
        robots = requests.get(f"{server.url}/robots.txt", timeout=30)
        assert robots.text == "User-agent: *\nCrawl-delay: 0.5\nDisallow:\n"
        rows = list(csv.DictReader(io.StringIO(requests.get(f"{server.url}/truth.csv", timeout=30).text)))
    assert [row["dataset"] for row in rows] == [truth.dataset for truth in sky.truth]
    assert set(rows[0]) == {"dataset", "label", "kind", "duplicate_of", "field"}


def test_a_port_in_use_is_one_sentence(sky):
    with serve(sky) as server, pytest.raises(DeepfieldError, match=r"^Port \d+ is in use: choose another"):
        serve(sky, port=int(server.url.rpartition(":")[2]))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_its_address_and_ends_well(tmp_path, number):
    command = [
        sys.executable,
        "-c",
        START,
        "serve",
        "--sky",
        "3",
        "--port",
        "0",
        "--access-log",
        str(tmp_path / "a.jsonl"),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        url = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        with requests.Session() as session:
            assert session.get(url + SEARCH, timeout=30).status_code == 200
            process.send_signal(number)
            rest, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert (rest, errors) == ("", "")
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 1


def test_the_command_refuses_what_cannot_be(tmp_path):
    for arguments, error in (
        (["serve", "--sky", "1", "--frames", str(tmp_path)], UsageError),
        (["serve", "--frames", str(tmp_path / "missing")], UsageError),
        (["serve", "--frames", str(tmp_path)], DeepfieldError),
        (["serve", "--faults", "2"], UsageError),
        (["serve", "--faults", "often"], UsageError),
    ):
        result = CliRunner().invoke(replica_app, arguments)
        assert type(result.exception) is error
        assert str(result.exception).count(".") >= 1


def test_latency_comes_before_each_reply(sky):
    with serve(sky, latency_s=1.0) as server:
        with pytest.raises(requests.ReadTimeout):
            requests.get(server.url + SEARCH, timeout=0.2)
        assert requests.get(server.url + SEARCH, timeout=30).status_code == 200


def test_a_log_that_cannot_be_written_is_one_sentence(sky, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DeepfieldError, match=r"access log .* cannot be written"):
        serve(sky, access_log=tmp_path / "file" / "log.jsonl")
