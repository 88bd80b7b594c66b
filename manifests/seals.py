"""Parts that can be made again, such as measurements: files with a seal, and none is read that is not what was written.

The seal of a part holds the digests of its files, as `sha256sum -c` reads them. It is written last, so that a part
that has one is whole; a part without one, left by a killed process or by older versions, counts as not there.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from manifests.files import file_sha256, write_atomic

_FILES, _SEAL = (".npz", ".parquet"), ".sha256"

_log = logging.getLogger(__name__)


def seal(part: Path) -> None:
    """Say that the files of a part, which is named without a suffix, are all written."""
    write_atomic(part.with_suffix(_SEAL), _digests(part))


def intact_parts(folder: Path) -> list[Path]:
    """The parts of a folder that are as they were written, without a suffix, in order.

    Those that are not are moved to the folder `damaged` in it, so that what they held is made again.
    """
    intact = []
    for part in _sealed(folder):
        if _is_intact(part):
            intact.append(part)
        else:
            _log.warning(
                "%s has changed since it was written: it is set aside in %s, and what it held is to be made anew.",
                part,
                _set_aside(part),
            )
    return intact


def check_parts(folder: Path) -> tuple[int, list[str]]:
    """How many sealed parts there are below a folder, and a sentence for each that is not as it was written."""
    found = [part for one in sorted(folder.glob("*/")) for part in _sealed(one)]
    return len(found), [
        f"{part} has changed since it was written: `deepfield curate` makes it anew."
        for part in found
        if not _is_intact(part)
    ]


def _sealed(folder: Path) -> Iterator[Path]:
    return (path.with_suffix("") for path in sorted(folder.glob(f"part-*{_SEAL}")))


def _is_intact(part: Path) -> bool:
    digests = _digests(part)
    return digests != "" and part.with_suffix(_SEAL).read_bytes() == digests.encode()


def _digests(part: Path) -> str:
    files = [path for suffix in _FILES if (path := part.with_suffix(suffix)).exists()]
    return "".join(f"{file_sha256(path)}  {path.name}\n" for path in files)


def _set_aside(part: Path) -> Path:
    aside = part.parent / "damaged"
    aside.mkdir(exist_ok=True)
    for suffix in (_SEAL, *_FILES):
        # a part may lack a file, and another process may have been here first
        with suppress(FileNotFoundError):
            part.with_suffix(suffix).replace(aside / f"{part.name}{suffix}")
    return aside
