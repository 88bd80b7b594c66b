"""A headless Chromium for pages that only JavaScript builds: where it is, how to get it, how to start it safely."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Error, sync_playwright

from manifests.errors import DeepfieldError

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Without these Chromium asks a dozen hosts of its maker for updates and experiments before the first page.
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
)
_HOW = "run `make browser`, or `apt-get install chromium`, or `playwright install chromium`"


def system_chromium() -> str | None:
    """Path of the Chromium that `DEEPFIELD_CHROMIUM` names or the system's packages installed, or None."""
    named = os.environ.get("DEEPFIELD_CHROMIUM")
    if named:
        if not Path(named).is_file():
            raise DeepfieldError(f"DEEPFIELD_CHROMIUM names {named}, which is not there: correct it or unset it.")
        return named
    # Ubuntu's chromium-browser is a stub that only starts a snap
    found = (shutil.which(name) for name in _NAMES)
    return next((path for path in found if path and "snap" not in str(Path(path).resolve())), None)


@contextmanager
def chromium(*, offline: bool = False) -> Iterator[Browser]:
    """Start a headless Chromium: the system's, else Playwright's own. `offline` lets it reach this machine only.

    Raises:
        DeepfieldError: neither is installed, or it does not start.
    """
    arguments = list(_QUIET)
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium refuses to sandbox for root
    if offline:
        arguments += ["--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=system_chromium(), args=arguments)
        except Error as error:
            first = error.message.strip().splitlines()[0]
            raise DeepfieldError(f"Chromium does not start ({first}): {_HOW}.") from error
        try:
            yield browser
        finally:
            browser.close()


def install() -> str:
    """Make sure that a Chromium is there; returns one sentence on which.

    As root on Debian its package is installed by apt, elsewhere Playwright's own build is downloaded.

    Raises:
        DeepfieldError: the installation failed.
    """
    found = system_chromium()
    if found:
        return f"Chromium: {found}"
    root = os.geteuid() == 0
    if root and Path("/etc/debian_version").exists() and "ubuntu" not in _os_release().lower():
        _run(["apt-get", "update", "-qq"])
        _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"])
    else:
        _run([sys.executable, "-m", "playwright", "install", *(["--with-deps"] if root else []), "chromium"])
    with chromium(offline=True) as browser:
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
        print(install())  # noqa: T201
    except DeepfieldError as error:
        # the pipeline works without a browser; only the pages that need JavaScript do not
        print(f"warning: {error}", file=sys.stderr)  # noqa: T201
