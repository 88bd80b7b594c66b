"""From an object's name to its place on the sky: a table of our own first, the CDS's Sesame where the net allows."""

import csv
import difflib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from manifests.errors import UsageError
from manifests.settings import Settings
from scrapers.http import HttpError, shared_client

_SORT_OF_OBJECT = re.compile(r"(galaxy|galaxies|nebula|cluster)$")


@dataclass(frozen=True)
class Target:
    """A named place: ICRS degrees, and the names it goes by."""

    name: str
    also: tuple[str, ...]
    ra: float
    dec: float

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.also)})" if self.also else self.name


def resolve(name: str, settings: Settings) -> Target:
    """The place of an object.

    Raises:
        UsageError: nobody knows the name, or the resolver that may know it cannot be asked.
    """
    known = find(name)
    if known:
        return known
    near = _near(name)
    hint = f" Near names: {', '.join(near)}." if near else ""
    try:
        found = _ask_sesame(name, settings)
    except HttpError as error:
        raise UsageError(
            f"The target {name!r} is not in the built-in table, and the name resolver cannot say: {error} "
            f"Give --ra and --dec instead.{hint}"
        ) from error
    if found is None:
        raise UsageError(f"There is no target named {name!r}: check the spelling, or give --ra and --dec.{hint}")
    return found


def find(name: str) -> Target | None:
    """The target of the built-in table with that name, in any spelling of case, spaces and leading zeros."""
    return _index().get(_key(name))


@cache
def table() -> tuple[Target, ...]:
    """All built-in targets: Messier's list and objects that Hubble is known for.

    Positions are good to 0.01 degrees; for nebulae of a degree and more they point at the part Hubble looked at.
    """
    with Path(__file__).with_name("targets.csv").open(encoding="utf-8", newline="") as handle:
        return tuple(
            Target(row["name"], tuple(filter(None, row["also"].split(";"))), float(row["ra"]), float(row["dec"]))
            for row in csv.DictReader(handle)
        )


@cache
def _index() -> dict[str, Target]:
    full: dict[str, Target] = {}
    short: dict[str, set[Target]] = {}
    for target in table():
        for name in (target.name, *target.also):
            full.setdefault(_key(name), target)
            short.setdefault(_SORT_OF_OBJECT.sub("", _key(name)), set()).add(target)
    # "Whirlpool" will do, but "Butterfly" is a cluster and a nebula
    unique = {key: targets.pop() for key, targets in short.items() if len(targets) == 1 and key}
    return unique | full


def _key(name: str) -> str:
    bare = re.sub(r"[\s_'’*]|^the\s", "", name.strip().casefold())
    bare = re.sub(r"^messier(?=\d)", "m", bare)
    return re.sub(r"(?<=[a-z])0+(?=\d)", "", bare)


def _near(name: str) -> list[str]:
    by_key = {_key(known): known for target in table() for known in (target.name, *target.also)}
    return [by_key[key] for key in difflib.get_close_matches(_key(name), by_key, n=3, cutoff=0.6)]


def _ask_sesame(name: str, settings: Settings) -> Target | None:
    """Ask the CDS name resolver, once: a person waits for the answer."""
    client = shared_client(settings.sesame_url, settings.model_copy(update={"attempts": 1, "timeout_s": 20.0}))
    return client.get(f"{client.base}/A?{quote(name.strip())}", lambda body: _read_sesame(name, body)).value


def _read_sesame(name: str, body: bytes) -> Target | None:
    """The position in a Sesame reply in plain text, whose line `%J` holds J2000 degrees; None where there is none."""
    text = body.decode("utf-8", "replace")
    position = re.search(r"^%J\s+([0-9.]+)\s+([+-]?[0-9.]+)", text, re.MULTILINE)
    if position:
        return Target(name.strip(), (), float(position[1]), float(position[2]))
    if "Nothing found" in text:
        return None
    raise HttpError("transient", "not_a_reply", "its answer is not that of a name resolver.")
