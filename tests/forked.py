"""Processes for tests that start or kill many: forked from one that has imported Deepfield already.

Each is a process of its own, with its own connections and files, as one that was started from nothing; it only spares
the seconds in which Python reads modules.
"""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
# no Prefect: it starts threads, which do not outlive a fork
_CONTEXT.set_forkserver_preload(
    [
        "flows.cli",
        "curation.curate",
        "curation.review.desk",
        "manifests.exports",
        "scrapers.crawl",
        "scrapers.esahubble",
        "scrapers.folder",
        "scrapers.gallery",
        "scrapers.hla",
        "scrapers.report",
        "serving.review.app",
        "torch",
        "uvicorn",
    ]
)


class Forked:
    """A process that runs `deepfield` with arguments or, where `script` is given, Python text with them.

    It leads a process group of its own. What it prints is in files while it runs.
    """

    def __init__(
        self, arguments: Sequence[object], environment: Mapping[str, str] | None = None, script: str | None = None
    ) -> None:
        self._folder = TemporaryDirectory(prefix="forked-")
        self._files = [Path(self._folder.name) / name for name in ("out", "err")]
        for file in self._files:
            file.touch()
        words = [str(argument) for argument in arguments]
        given = dict(os.environ if environment is None else environment)
        process: Any = _CONTEXT.Process(target=_run, args=(words, given, script, [str(file) for file in self._files]))
        process.start()
        self._process = process
        self.pid: int = process.pid

    @property
    def stdout(self) -> str:
        return self._files[0].read_text()

    @property
    def stderr(self) -> str:
        return self._files[1].read_text()

    @property
    def returncode(self) -> int | None:
        """As that of subprocess.Popen: None while it runs, the signal's number below zero where one ended it."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("forked", timeout or 0.0)
        return self.returncode

    def wait_for(self, text: str, timeout: float = 60.0) -> str:
        """What it has printed, once that holds `text`."""
        end = time.monotonic() + timeout
        while text not in self.stdout:
            assert self.returncode is None, self.stdout + self.stderr
            assert time.monotonic() < end, self.stdout + self.stderr
            time.sleep(0.005)
        return self.stdout

    def kill(self) -> None:
        self._process.kill()


def run(
    arguments: Sequence[object], environment: Mapping[str, str] | None = None, timeout: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """Run `deepfield` to its end."""
    process = Forked(arguments, environment)
    try:
        code = process.wait(timeout)
    finally:
        process.kill()
    return subprocess.CompletedProcess(["deepfield", *map(str, arguments)], code, process.stdout, process.stderr)


def _run(arguments: list[str], environment: dict[str, str], script: str | None, files: list[str]) -> None:
    os.setsid()
    for number, file in enumerate(files, start=1):
        handle = os.open(file, os.O_WRONLY | os.O_APPEND)
        os.dup2(handle, number)
        os.close(handle)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["deepfield", *arguments]
    if script is not None:
        exec(compile(script, "<script>", "exec"), {"__name__": "__main__"})
        return
    from flows.cli import main

    main()
