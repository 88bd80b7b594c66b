"""What a working Deepfield needs of this machine, checked one by one."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from manifests.database import open_database
from manifests.errors import DeepfieldError
from manifests.files import write_atomic
from manifests.settings import Settings

_PACKAGES = ("torch", "torchvision", "prefect", "fastapi", "sqlalchemy", "pandas", "fastparquet", "playwright")
_FREE_GB = 5.0


@dataclass(frozen=True)
class Check:
    """One thing looked at: `ok`, or what to do about it in `detail`. Without an optional thing the rest works."""

    name: str
    ok: bool
    detail: str
    optional: bool = False


def examine(settings: Settings) -> Iterator[Check]:
    """Look at the interpreter, the packages, the data folder, the catalogue, the browser and the accelerator."""
    yield Check("python", sys.version_info >= (3, 11), sys.version.split()[0])
    for package in _PACKAGES:
        try:
            yield Check(package, True, version(package))
        except PackageNotFoundError:
            yield Check(package, False, "not installed: run `make setup`")
    yield _attempt("data folder", lambda: _writable(settings))
    yield _attempt("catalogue", lambda: _catalogue(settings))
    yield _attempt("browser", lambda: _browser(settings), optional=True)
    yield _attempt("accelerator", _accelerator, optional=True)


def _attempt(name: str, look: Callable[[], str], optional: bool = False) -> Check:
    try:
        return Check(name, True, look(), optional)
    except (DeepfieldError, OSError) as error:
        return Check(name, False, str(error), optional)


def _writable(settings: Settings) -> str:
    probe = settings.home / ".doctor"
    write_atomic(probe, "")
    probe.unlink()
    free = shutil.disk_usage(settings.home).free / 1e9
    if free < _FREE_GB:
        raise DeepfieldError(f"{settings.home.absolute()} has only {free:.1f} GB free; {_FREE_GB:.0f} are wise.")
    return f"{settings.home.absolute()}, {free:.0f} GB free"


def _catalogue(settings: Settings) -> str:
    engine = open_database(settings.database)
    try:
        return engine.url.render_as_string(hide_password=True)
    finally:
        engine.dispose()


def _browser(settings: Settings) -> str:
    from scrapers.browser import chromium  # noqa: PLC0415  # a machine without Playwright must still be examined

    with chromium(settings.chromium) as browser:
        return f"Chromium {browser.version}"


def _accelerator() -> str:
    import torch  # noqa: PLC0415  # as above

    if not torch.cuda.is_available():
        raise DeepfieldError(f"no CUDA device; {torch.get_num_threads()} CPU threads will do for small networks")
    return torch.cuda.get_device_name()
