"""Prefect on this machine: a server on loopback, the deployments of prefect.yaml, one worker."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from manifests.errors import DeepfieldError
from manifests.files import write_atomic
from manifests.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
POOL = "deepfield"
_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Process:
    """A background process of ours: its role, and its pid where it is alive."""

    role: str
    pid: int | None
    log: Path


@dataclass(frozen=True)
class LocalStatus:
    """What of the local Prefect is there."""

    api_url: str
    healthy: bool
    processes: tuple[Process, ...]
    deployments: tuple[str, ...]


def api_url() -> str:
    """Address of the server's API: PREFECT_API_URL, which Prefect's own commands obey too, or that in prefect.toml.

    Raises:
        DeepfieldError: prefect.toml is not there, as in an installation without the project's folder.
    """
    path = ROOT / "prefect.toml"
    if not path.exists() or not (ROOT / "prefect.yaml").exists():
        raise DeepfieldError(f"{ROOT} holds no prefect.toml and prefect.yaml: run this in a checkout of Deepfield.")
    return (os.environ.get("PREFECT_API_URL") or str(tomllib.loads(path.read_text())["api"]["url"])).rstrip("/")


def start(settings: Settings) -> Iterator[str]:
    """Start what is not running yet; yields one sentence per step.

    Raises:
        DeepfieldError: a step failed; its log is named.
    """
    url = api_url()
    if _healthy(url):
        yield f"The server is running at {url}."
    else:
        _spawn("server", ["server", "start", "--host", *_loopback(url)], settings)
        _wait_for(f"{url}/health", "server", settings)
        yield f"Started the server at {url}."
    if _process("worker", settings).pid is None:
        # it makes the pool, which spares two commands that take seconds each
        _spawn("worker", ["worker", "start", "--pool", POOL, "--type", "process", "--name", f"{POOL}-local"], settings)
        _wait_for(f"{url}/work_pools/{POOL}", "worker", settings)
        yield "Started a worker."
    else:
        yield "A worker is running."
    _prefect(["--no-prompt", "deploy", "--all"], settings)
    yield f"Registered the deployments: {', '.join(_deployments(url))}."


def stop(settings: Settings) -> Iterator[str]:
    """Stop the worker, then the server; yields one sentence per step."""
    for role in ("worker", "server"):
        process = _process(role, settings)
        if process.pid is None:
            yield f"No {role} of ours is running."
            continue
        os.kill(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while _process(role, settings).pid is not None:
            if time.monotonic() > deadline:
                os.kill(process.pid, signal.SIGKILL)
            time.sleep(0.2)
        _pid_file(role, settings).unlink(missing_ok=True)
        yield f"Stopped the {role}."


def inspect(settings: Settings) -> LocalStatus:
    """What is running now."""
    url = api_url()
    healthy = _healthy(url)
    return LocalStatus(
        url, healthy, (_process("server", settings), _process("worker", settings)), _deployments(url) if healthy else ()
    )


@contextmanager
def own_api(settings: Settings) -> Iterator[None]:
    """Run flows in this process on a temporary server of their own, whatever server prefect.toml names.

    Within another `own_api`, its server goes on being used.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    home = settings.home.absolute() / "prefect"
    home.mkdir(parents=True, exist_ok=True)
    from prefect.events.worker import EventsWorker  # noqa: PLC0415  # Prefect takes seconds to import
    from prefect.logging.handlers import APILogWorker  # noqa: PLC0415
    from prefect.server.api.server import SubprocessASGIServer  # noqa: PLC0415
    from prefect.settings import (  # noqa: PLC0415
        PREFECT_API_URL,
        PREFECT_HOME,
        PREFECT_SERVER_ANALYTICS_ENABLED,
        temporary_settings,
    )

    with temporary_settings(
        updates={PREFECT_HOME: str(home), PREFECT_SERVER_ANALYTICS_ENABLED: False}, restore_defaults={PREFECT_API_URL}
    ):
        server = SubprocessASGIServer()
        within_another = server.running
        # Prefect gives itself 20 s, which a busy disk can exceed
        server.start(int(_START_TIMEOUT_S))
        try:
            # named, else each worker of a cluster would start one more
            with temporary_settings({PREFECT_API_URL: server.api_url}):
                yield
        finally:
            if not within_another:
                # Prefect would stop it when the interpreter ends, which is too late for a log; what flows said may
                # still be on its way to it
                for worker in (APILogWorker, EventsWorker):
                    worker.drain_all(timeout=_STOP_TIMEOUT_S)
                server.stop()


def _loopback(url: str) -> list[str]:
    """Host, and `--port` with the port, to serve an address at.

    Raises:
        DeepfieldError: the address is not one of this machine alone.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost") or parts.port is None:
        raise DeepfieldError(
            f"No Prefect server answers at {url}: start it there, or unset PREFECT_API_URL to have one on this machine."
        )
    return [parts.hostname, "--port", str(parts.port)]


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "OMP_WAIT_POLICY": "PASSIVE",  # as in flows.cli
        **os.environ,
        "DEEPFIELD_HOME": str(settings.home.absolute()),
        "DO_NOT_TRACK": "1",
    }


def _spawn(role: str, arguments: list[str], settings: Settings) -> None:
    log = _log_file(role, settings)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as handle:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *arguments],
            cwd=ROOT,
            env=_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            start_new_session=True,
        )
    write_atomic(_pid_file(role, settings), f"{process.pid}\n")


def _prefect(arguments: list[str], settings: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *arguments],
        cwd=ROOT,
        env=_environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise DeepfieldError(f"`prefect {' '.join(arguments)}` failed: {lines[-1] if lines else 'no message'}.")


def _wait_for(address: str, role: str, settings: Settings) -> None:
    """Wait until the server has something, which a process of ours is to bring about."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not _answers(address):
        if _process(role, settings).pid is None or time.monotonic() > deadline:
            raise DeepfieldError(
                f"The Prefect {role} did not come up at {address}; its log {_log_file(role, settings)} says why."
            )
        time.sleep(0.2)


def _healthy(url: str) -> bool:
    return _answers(f"{url}/health")


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as reply:
            return reply.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _deployments(url: str) -> tuple[str, ...]:
    request = urllib.request.Request(
        f"{url}/deployments/filter", data=b"{}", headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return tuple(sorted(item["name"] for item in json.load(reply)))


def _process(role: str, settings: Settings) -> Process:
    path = _pid_file(role, settings)
    pid = int(path.read_text()) if path.exists() else None
    return Process(role, pid if pid and _is_ours(pid) else None, _log_file(role, settings))


def _is_ours(pid: int) -> bool:
    """Whether the pid is still a Prefect process and not another that got the number later."""
    with suppress(ChildProcessError):
        # reap a child of this very process, else it would stay a zombie and look alive
        os.waitpid(pid, os.WNOHANG)
    command = Path(f"/proc/{pid}/cmdline")
    try:
        return b"prefect" in command.read_bytes()
    except OSError:
        return False


def _pid_file(role: str, settings: Settings) -> Path:
    return settings.home / "prefect" / f"{role}.pid"


def _log_file(role: str, settings: Settings) -> Path:
    return settings.home / "prefect" / f"{role}.log"
