"""What a real archive does wrong, on purpose and repeatably: refusals, cut replies, stalls, HTML for a picture."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from threading import Lock

KINDS = ("unavailable", "too_many", "reset", "cut", "html", "stall")


@dataclass(frozen=True)
class Faults:
    """Which requests go wrong. A URL is faulty or not by the seed alone, and works after `times` failures.

    `rate` is the share of faulty URLs, 0 to 1. Kinds: `unavailable` 503 and `too_many` 429, both with
    Retry-After; `reset` closes the connection without a reply; `cut` sends half the body; `html` sends a page
    with status 200; `stall` waits `stall_s` before the reply.
    """

    rate: float
    kinds: tuple[str, ...] = KINDS
    seed: int = 0
    times: int = 1
    retry_after_s: int = 1
    stall_s: float = 3.0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.kinds) - set(KINDS))
        if unknown or not 0 <= self.rate <= 1:
            raise ValueError(f"Faults need a rate from 0 to 1 and kinds among {', '.join(KINDS)}.")

    def kind_of(self, url: str) -> str | None:
        """What is wrong with a URL (path and query), None for nothing."""
        digest = hashlib.sha256(f"{self.seed} {url}".encode()).digest()
        if int.from_bytes(digest[:8], "big") >= self.rate * 2**64:
            return None
        return self.kinds[int.from_bytes(digest[8:12], "big") % len(self.kinds)]


@dataclass
class FaultBook:
    """Counts how often each URL has failed, so that it fails no more often than it should."""

    faults: Faults
    _failed: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def next(self, url: str) -> str | None:
        """The fault of this request, None when it is to be answered properly."""
        kind = self.faults.kind_of(url)
        if kind is None:
            return None
        with self._lock:
            if self._failed[url] >= self.faults.times:
                return None
            self._failed[url] += 1
        return kind
