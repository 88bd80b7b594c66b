"""The server of the review page: four reviewers and two kills, who is let in, what is answered to nonsense."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import forked
import pandas as pd
import pytest
import requests
import uvicorn
from crowd import review_in_company
from manifest_rows import frames
from served import Served, reviewable, write_home

from curation.review.desk import Desk
from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.settings import Settings
from serving.review.app import make_app
from serving.review.guard import Guard
from serving.review.renditions import Renditions


@pytest.mark.slow
def test_four_reviewers_and_two_kills_lose_and_double_nothing(tmp_path):
    review_in_company(tmp_path, 1200, 200.0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("guard") / "home"
    write_home(home, reviewable(home, 6))
    one = Served(home)
    yield one
    one.stop()


def body(**more: object) -> dict[str, object]:
    return {"reviewer": "ann", "count": 1, "since": datetime.now(UTC).isoformat()} | more


def test_other_sites_are_refused(server):
    word = requests.get(f"{server.url}/api/session", timeout=30).json()["session"]
    good = {"X-Deepfield": word}
    assert requests.post(f"{server.url}/api/take", json=body(), headers=good, timeout=30).ok
    for bad in (
        {},
        {"X-Deepfield": "guess"},
        good | {"Origin": "https://evil.example"},
        good | {"Sec-Fetch-Site": "cross-site"},
        good | {"Sec-Fetch-Site": "same-site"},
    ):
        assert requests.post(f"{server.url}/api/take", json=body(), headers=bad, timeout=30).status_code == 403
    rebound = requests.get(f"{server.url}/api/session", headers={"Host": "evil.example"}, timeout=30)
    assert rebound.status_code == 421 and "session" not in rebound.json()
    policy = requests.get(server.url, timeout=30).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy


def test_nonsense_is_answered_in_a_sentence_and_changes_nothing(server):
    word = {"X-Deepfield": requests.get(f"{server.url}/api/session", timeout=30).json()["session"]}

    def say(**more: object) -> requests.Response:
        full = body(action="accept", request_id="request-1", image_ids=["f" * 64])
        return requests.post(f"{server.url}/api/say", json=full | more, headers=word, timeout=30)

    assert "There is no frame" in say().json()["refused"]["f" * 64]
    for more in ({"image_ids": ["x"]}, {"action": "love"}, {"reasons": ["a,b"]}, {"seconds": -1}, {"reviewer": " "}):
        assert say(**more).status_code == 422
    undo = requests.post(f"{server.url}/api/undo", json=body(request_id="request-2"), headers=word, timeout=30)
    assert undo.status_code == 409 and "no decision to take back" in undo.json()["error"]
    for path in ("f" * 64, "../../etc/passwd", "x"):
        for what in ("preview", "mask", "pixels", "thumb", "histogram"):
            assert requests.get(f"{server.url}/frame/{path}/{what}", timeout=30).status_code == 404


def test_other_machines_need_the_token(tmp_path):
    home = tmp_path / "home"
    write_home(home, frames(1))
    for token, says in (("", "can be reached from other machines"), ("short", "shorter than 16")):
        environment = os.environ | {"DEEPFIELD_HOME": str(home), "DEEPFIELD_REVIEW_TOKEN": token}
        done = forked.run(["review", "serve", "--port", "0", "--host", "0.0.0.0"], environment, 60)
        assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1


@contextmanager
def served_here(home: Path, guard: Guard) -> Iterator[str]:
    """The page on a port of loopback, with a guard of one's own; its address."""
    settings = Settings(home=home)
    engine = open_database(settings.database)
    renditions = Renditions(BlobStore(settings.blobs_dir), settings.max_pixels)
    app = make_app(Desk(settings, engine), engine, renditions, guard)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=server.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()
    engine.dispose()


def test_who_knows_the_token_is_let_in(tmp_path):
    home = tmp_path / "home"
    write_home(home, frames(1))
    with served_here(home, Guard("correct horse battery")) as url, requests.Session() as client:

        def ask(method: str, path: str, **more) -> requests.Response:
            return client.request(method, url + path, allow_redirects=False, timeout=30, **more)

        assert ask("GET", "/").headers["location"] == "/login"
        assert ask("GET", "/api/session").status_code == 401
        assert ask("POST", "/login", data={"token": "wrong"}).status_code == 401
        entered = ask("POST", "/login", data={"token": "correct horse battery"})
        assert entered.status_code == 303 and "HttpOnly" in entered.headers["set-cookie"]
        assert ask("GET", "/").status_code == 200 and ask("GET", "/api/session").status_code == 200
        elsewhere = {"Origin": "http://evil.example"}
        assert ask("POST", "/login", data={"token": "x"}, headers=elsewhere).status_code == 403


def test_who_checks_the_policy_is_told_values_and_nothing_that_it_thinks(tmp_path):
    home = tmp_path / "home"
    write_home(home, pd.concat([frames(2, noise_sigma_dn=12.0), frames(2, "reject", noise_sigma_dn=30.0)]), audit=1.0)
    with served_here(home, Guard(None)) as url:
        word = {"X-Deepfield": requests.get(f"{url}/api/session", timeout=30).json()["session"]}
        cards = requests.post(f"{url}/api/take", json=body(count=9), headers=word, timeout=30).json()["items"]
    told = {(card["blind"], one["value"], one["review"], one["state"]) for card in cards for one in card["gauges"]}
    assert told == {(False, 12.0, 10.0, "doubtful"), (True, 30.0, None, "unsaid")}


def test_a_port_that_is_taken_is_one_sentence(server):
    environment = os.environ | {"DEEPFIELD_HOME": str(server.home)}
    done = forked.run(["review", "serve", "--port", server.port], environment, 60)
    assert done.returncode == 1 and "Choose another --port" in done.stderr and done.stderr.count("\n") == 1
