"""A headless Chromium for pages that only JavaScript builds: where it is, how to get it, how to start it safely.

It has no way to the network: who drives it answers its requests (`Page.route`), and can so keep it to what is polite.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from playwright.sync_api import Browser, Error, sync_playwright

from manifests.errors import DeepfieldError, UsageError
from manifests.settings import load_settings

T = TypeVar("T")

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

_ARGUMENTS = (
    # without these Chromium asks a dozen hosts of its maker for updates and experiments before the first page
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # and with these it finds no host at all, not even by a numeric address
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--disable-dev-shm-usage",  # which is small in containers
)
_HOW = "run `make browser`, or `apt-get install chromium`, or `playwright install chromium`"


def system_chromium(named: Path | None) -> Path | None:
    """Path of the Chromium that is named (`Settings.chromium`) or that the system's packages installed, or None.

    Raises:
        UsageError: the one that is named is not there.
    """
    if named:
        if not named.is_file():
            raise UsageError(f"DEEPFIELD_CHROMIUM names {named}, which is not there: correct it or unset it.")
        return named
    found = (Path(path) for path in map(shutil.which, _NAMES) if path)
    # Ubuntu's chromium-browser is a stub that only starts a snap
    return next((path for path in found if "snap" not in str(path.resolve())), None)


@contextmanager
def chromium(named: Path | None) -> Iterator[Browser]:
    """Start a headless Chromium: the one named (`Settings.chromium`), else the system's, else Playwright's own.

    Raises:
        DeepfieldError: none is installed, or it does not start.
    """
    # Chromium refuses to sandbox for root
    arguments = [*_ARGUMENTS, "--no-sandbox"] if os.geteuid() == 0 else [*_ARGUMENTS]
    with sync_playwright() as playwright:
        try:
            # Ctrl-C is ours to handle: the browser is closed when its last page is
            browser = playwright.chromium.launch(
                executable_path=system_chromium(named),
                args=arguments,
                handle_sigint=False,
                handle_sigterm=False,
                handle_sighup=False,
            )
        except Error as error:
            first = error.message.strip().splitlines()[0]
            raise DeepfieldError(f"Chromium does not start ({first}): {_HOW}.") from error
        try:
            yield browser
        finally:
            with suppress(Error):  # one that crashed is closed
                browser.close()


class BrowserThread:
    """One Chromium for many threads, from `with` until its end; should it crash or hang, it is started again.

    Playwright's synchronous interface lives in the thread that started it: work is handed over to that thread, one
    piece after the other.

    Raises:
        DeepfieldError: on entering, no Chromium is installed, or it does not start.
    """

    def __init__(self, named: Path | None) -> None:
        self._named = named
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="browser")
        self._open = ExitStack()
        self._browser: Browser | None = None

    def run(self, work: Callable[[Browser], T]) -> T:
        """What `work` makes of the browser. Where Playwright fails, a fresh browser gets one try more."""
        return self._thread.submit(self._run, work).result()

    def _run(self, work: Callable[[Browser], T]) -> T:
        if self._browser is not None:
            try:
                return work(self._browser)
            except Error:
                self._close()
        self._browser = self._open.enter_context(chromium(self._named))
        return work(self._browser)

    def _close(self) -> None:
        self._browser = None
        self._open.close()

    def __enter__(self) -> Self:
        try:
            self.run(lambda browser: None)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._thread.submit(self._close).result()
        finally:
            self._thread.shutdown()


def install(named: Path | None) -> str:
    """Make sure that a Chromium is there; returns one sentence on which.

    As root on Debian its package is installed by apt, elsewhere Playwright's own build is downloaded.

    Raises:
        DeepfieldError: the installation failed.
    """
    found = system_chromium(named)
    if found:
        return f"Chromium: {found}"
    root = os.geteuid() == 0
    if root and Path("/etc/debian_version").exists() and "ubuntu" not in _os_release().lower():
        _run(["apt-get", "update", "-qq"])
        _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"])
    else:
        _run([sys.executable, "-m", "playwright", "install", *(["--with-deps"] if root else []), "chromium"])
    with chromium(named) as browser:
        return f"Chromium {browser.version}"


def _os_release() -> str:
    path = Path("/etc/os-release")
    return path.read_text() if path.exists() else ""


def _run(command: list[str]) -> None:
    done = subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, check=False)
    if done.returncode != 0:
        raise DeepfieldError(f"`{' '.join(command)}` failed with code {done.returncode}: {_HOW}.")


if __name__ == "__main__":
    try:
        print(install(load_settings().chromium))  # noqa: T201
    except DeepfieldError as error:
        # the pipeline works without a browser; only the pages that need JavaScript do not
        print(f"warning: {error}", file=sys.stderr)  # noqa: T201
