"""Asking again for what is here: "has it changed?" (RFC 9110, 13.1), with what the server gave to ask that with."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

_LONGEST_TAG = 1000
_LONGEST_DATE = 64


@dataclass(frozen=True)
class Validator:
    """What a server gave to recognise a reply by: its ETag, and the date of its last change, as they were written."""

    etag: str | None = None
    last_modified: str | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> "Validator":
        """That of a reply's headers; what could not be sent back as it came is left out."""
        etag, date = headers.get("ETag"), headers.get("Last-Modified")
        return cls(_sendable(etag, _LONGEST_TAG), _sendable(date, _LONGEST_DATE))

    def __bool__(self) -> bool:
        return self.etag is not None or self.last_modified is not None

    def headers(self) -> dict[str, str]:
        """The headers that ask for a reply only if it is another one."""
        named = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in named.items() if value is not None}


class UnchangedError(Exception):
    """The archive says that what it answered before still holds."""


@dataclass
class AskedAgain:
    """A question while it is asked: `known` finds what an address is to be asked with, `got` is what came."""

    known: Callable[[str], Validator | None]
    got: list[tuple[str, Validator]] = field(default_factory=list)


_ASKED: ContextVar[AskedAgain | None] = ContextVar("asked", default=None)


@contextmanager
def asking_again(known: Callable[[str], Validator | None]) -> Iterator[AskedAgain]:
    """Let the requests of this thread ask whether an answer has changed, while the block lasts.

    Where it has not, `PoliteClient.get` raises `UnchangedError`.
    """
    asked = AskedAgain(known)
    token = _ASKED.set(asked)
    try:
        yield asked
    finally:
        _ASKED.reset(token)


def known_validator(url: str) -> Validator | None:
    """What an address is to be asked with; nothing where a part of the answer came already, and no part is missed."""
    asked = _ASKED.get()
    return None if asked is None or asked.got else asked.known(url)


def note_reply(url: str, headers: Mapping[str, str]) -> None:
    """Tell the question that is being asked, if there is one, of a good reply."""
    asked = _ASKED.get()
    if asked is not None:
        asked.got.append((url, Validator.of(headers)))


def _sendable(value: str | None, longest: int) -> str | None:
    if value is None or not value.strip() or len(value) > longest or not (value.isascii() and value.isprintable()):
        return None
    return value.strip()
