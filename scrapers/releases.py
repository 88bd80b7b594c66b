"""One name for a release, whichever site tells of it, and the names it has elsewhere.

The same release is `opo0328` at ESA/Hubble, 2003-28 at STScI and 2003/28 at Hubble Heritage; pictures of one
release must share a split, so all three sites use the first form. ESA's own releases (heic, potw) have no other name.
"""

import re
from collections.abc import Iterable

# 2003-28, 2003/28, 2022-054, STScI-PRC2003-28a, STScI-2003-28
_STSCI = re.compile(r"(?<!\d)(?P<year>(?:19|20)\d\d)[-/](?P<number>\d{1,3})(?P<letter>[a-z](?![a-z0-9]))?(?!\d)")
_ESA = re.compile(r"(?P<kind>[a-z]+)(?P<number>\d{4,5})(?P<letter>[a-z]{1,2}\d*)?")
# p0714aa.jpg, STScI-H-p1843a-2000x1000.png
_FILE = re.compile(r"(?:stsci-h-)?p(?P<year>\d\d)(?P<number>\d{2,3})[a-z]{1,2}(?![a-z0-9])")
_FIRST_YEAR = 1990
_PRC = "STScI-PRC"


def stsci_release(text: str) -> str | None:
    """The release that a text or path names in STScI's or Heritage's way: `opo0328` for `2003-28` or `/2003/28/`."""
    found = _STSCI.search(text)
    if found is None or int(found["year"]) < _FIRST_YEAR or int(found["number"]) == 0:
        return None
    return f"opo{int(found['year']) % 100:02d}{int(found['number']):02d}"


def publisher_name(name: str) -> str | None:
    """What the publisher calls a release or a picture of it: `STScI-PRC2003-28a` for `opo0328a`.

    ESA's own names are the publisher's and come back as they are; None for what is no release.
    """
    found = _ESA.fullmatch(name.lower())
    if found is None:
        return None
    if found["kind"] != "opo":
        return name.lower()
    return f"{_PRC}{_year(found['number'][:2])}-{found['number'][2:]}{found['letter'] or ''}"


def names_elsewhere(name: str, archive: str) -> str | None:
    """What the other sites call a release, or a picture of it, that ESA/Hubble calls `name`; comma-separated.

    `opo0328a` is `heritage:2003/28,stsci:2003-28-a` to one who has it from ESA/Hubble. Heritage's name has no letter.
    Whether a site shows the picture its name does not tell. None for ESA's own releases and what is no release.
    """
    publisher = publisher_name(name)
    if publisher is None or not publisher.startswith(_PRC):
        return None
    found = _STSCI.search(publisher)
    if found is None:
        return None
    release, letter = f"{found['year']}-{found['number']}", found["letter"] or ""
    names = (
        f"esahubble:{name.lower()}",
        f"heritage:{release.replace('-', '/')}",
        f"stsci:{release}{letter and '-'}{letter}",
    )
    return ",".join(one for one in names if not one.startswith(f"{archive}:"))


def release_of_files(files: Iterable[str]) -> str | None:
    """The release that the names of a picture's files tell, `opo1843` for `STScI-H-p1843a-2000x1000.png`.

    None where they tell none, or several.
    """
    found = {stsci_release(name) or _release_of_file(name) for name in files} - {None}
    return found.pop() if len(found) == 1 else None


def _release_of_file(name: str) -> str | None:
    found = _FILE.match(name.lower())
    return stsci_release(f"{_year(found['year'])}-{found['number']}") if found else None


def _year(two_digits: str) -> int:
    year = int(two_digits)
    return year + (1900 if year >= _FIRST_YEAR % 100 else 2000)


def picture_of(release: str, files: Iterable[str]) -> str:
    """The picture of a release by the names of its files, `opo1843a` for `STScI-H-p1843a-2000x1000.png`.

    The release itself where they tell no letter, or several.
    """
    number = (publisher_name(release) or "").removeprefix(_PRC)
    if not number:
        return release
    spelt = rf"(?<![a-z0-9])(?:p{re.escape(release.removeprefix('opo'))}|{re.escape(number)}-?)([a-z])(?![a-z]{{2}})"
    letters = {found[1] for found in (re.search(spelt, name.lower()) for name in files) if found}
    return release + letters.pop() if len(letters) == 1 else release
