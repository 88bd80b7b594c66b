"""What comes of asking an archive: attempts as they went, and the one kind of error where none brought anything."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from manifests.errors import DeepfieldError
from scrapers.writable import writable

Kind = Literal["transient", "permanent", "refused"]


@dataclass(frozen=True)
class Attempt:
    """One request as it went, without the wait for its turn: `error` is None where it brought what was wanted."""

    url: str
    started_at: str
    seconds: float
    http_status: int | None
    size_bytes: int | None
    error: str | None


class HttpError(DeepfieldError):
    """A request that brought nothing usable.

    `kind` says what to do: `transient` may go well later, `permanent` is the archive's final answer, `refused` is
    our own. `reason` is one word for counting, the text a plain sentence; `attempts` says what was tried.
    """

    def __init__(self, kind: Kind, reason: str, message: str, status: int | None = None) -> None:
        super().__init__(writable(message))
        self.kind: Kind = kind
        self.reason = reason
        self.status = status
        self.attempts: tuple[Attempt, ...] = ()


_NOTED: ContextVar[list[Attempt] | None] = ContextVar("attempts", default=None)


@contextmanager
def noted_attempts() -> Iterator[list[Attempt]]:
    """Collect the requests that this thread makes while the block lasts, also where they end in an error."""
    attempts: list[Attempt] = []
    token = _NOTED.set(attempts)
    try:
        yield attempts
    finally:
        _NOTED.reset(token)


def note_attempts(attempts: Iterable[Attempt]) -> None:
    """Add to what `noted_attempts` collects."""
    collected = _NOTED.get()
    if collected is not None:
        collected.extend(attempts)
