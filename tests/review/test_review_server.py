"""The server of the review page: four reviewers and two kills, who is let in, what is answered to nonsense."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests
from crowd import review_in_company
from manifest_rows import frames
from served import ROOT, Served, reviewable, write_home

from manifests.database import open_database
from manifests.settings import Settings


@pytest.mark.parametrize("count", [240, pytest.param(1200, marks=pytest.mark.slow)])
def test_four_reviewers_and_two_kills_lose_and_double_nothing(tmp_path, count):
    review_in_company(tmp_path, count, 200.0)


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
    command = [sys.executable, "-m", "flows.cli", "review", "serve", "--port", "0", "--host", "0.0.0.0"]
    for token, says in (("", "can be reached from other machines"), ("short", "shorter than 16")):
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "DEEPFIELD_HOME": str(home), "DEEPFIELD_REVIEW_TOKEN": token},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1


def test_who_knows_the_token_is_let_in(tmp_path):
    from fastapi.testclient import TestClient

    from curation.review.desk import Desk
    from manifests.blobs import BlobStore
    from serving.review.app import make_app
    from serving.review.guard import Guard
    from serving.review.renditions import Renditions

    home = tmp_path / "home"
    write_home(home, frames(1))
    settings = Settings(home=home)
    engine = open_database(settings.database)
    app = make_app(
        Desk(settings, engine),
        engine,
        Renditions(BlobStore(settings.blobs_dir), settings.max_pixels),
        Guard("correct horse battery"),
    )
    with TestClient(app, base_url="http://review.example", follow_redirects=False) as client:
        assert client.get("/").headers["location"] == "/login"
        assert client.get("/api/session").status_code == 401
        assert client.post("/login", content="token=wrong").status_code == 401
        entered = client.post("/login", content="token=correct+horse+battery")
        assert entered.status_code == 303 and "HttpOnly" in entered.headers["set-cookie"]
        assert client.get("/").status_code == 200 and client.get("/api/session").status_code == 200
        assert client.post("/login", content="token=x", headers={"Origin": "http://evil.example"}).status_code == 403


def test_a_port_that_is_taken_is_one_sentence(server):
    command = [sys.executable, "-m", "flows.cli", "review", "serve", "--port", str(server.port)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "DEEPFIELD_HOME": str(server.home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1 and "Choose another --port" in done.stderr and done.stderr.count("\n") == 1
