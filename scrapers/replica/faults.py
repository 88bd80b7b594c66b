"""What a real archive does wrong, on purpose and repeatably: which address goes wrong, how, and for how long."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from threading import Lock
from typing import Self

# What each kind does; `--help` prints it. Those of HARMLESS bring the right bytes all the same.
DESCRIPTIONS = {
    "unavailable": "503 with Retry-After in seconds",
    "gateway_timeout": "504",
    "too_many": "429 with Retry-After in seconds",
    "too_many_until": "429 with Retry-After as a date",
    "forbidden": "403, always for good",
    "reset": "the connection is reset before the reply",
    "reset_midway": "the connection is reset in the middle of the body",
    "cut": "the connection ends in the middle of the body",
    "understated": "Content-Length says half the body, and half comes",
    "overstated": "Content-Length says more than the body, which comes whole",
    "half_gray": "a JPEG that ends in order but lacks its lower half (other files are cut)",
    "stall": "a long wait before the reply",
    "stall_midway": "a long wait in the middle of the body",
    "empty": "status 200 and no body",
    "html": "an HTML page with status 200",
    "text": "a line of text with status 200",
    "svg": "an SVG drawing with status 200",
    "query_error": "a VOTable that says QUERY_STATUS ERROR",
    "untyped": "the right body without a Content-Type",
    "mistyped": "the right body with a wrong Content-Type",
    "gzip": "the right body, gzip-encoded where the client takes that",
    "redirect_chain": "three redirects that lead back to the right body",
    "redirect_loop": "a redirect to an address that redirects to itself",
    "redirect_private": "a redirect to an address of a private network",
    "redirect_elsewhere": "a redirect to a host that is not the archive's",
}
KINDS = tuple(DESCRIPTIONS)
HARMLESS = frozenset({"untyped", "mistyped", "gzip", "redirect_chain"})
_FINAL = frozenset({"forbidden"})  # an archive that says so means it


@dataclass(frozen=True)
class Faults:
    """Which requests go wrong. A URL is faulty or not by the seed alone, and works after `times` failures.

    `rate` is the share of faulty URLs, and `lasting` the share of those that never work, both 0 to 1. Waits are
    `stall_s` long; 503 and 429 ask for `retry_after_s`.
    """

    rate: float
    kinds: tuple[str, ...] = KINDS
    seed: int = 0
    times: int = 1
    lasting: float = 0.0
    retry_after_s: int = 1
    stall_s: float = 3.0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.kinds) - set(KINDS))
        if unknown or not 0 <= self.rate <= 1 or not 0 <= self.lasting <= 1:
            raise ValueError(f"Faults need shares from 0 to 1 and kinds among {', '.join(KINDS)}.")

    @classmethod
    def nasty(cls, seed: int, *, retry_after_s: int = 1, stall_s: float = 3.0) -> Self:
        """Everything at once: three in ten URLs are faulty, one in six of those for good."""
        return cls(0.3, seed=seed, lasting=1 / 6, retry_after_s=retry_after_s, stall_s=stall_s)

    def kind_of(self, url: str) -> str | None:
        """What is wrong with a URL (path and query), None for nothing."""
        digest = self._digest(url)
        if int.from_bytes(digest[:8], "big") >= self.rate * 2**64:
            return None
        return self.kinds[int.from_bytes(digest[8:12], "big") % len(self.kinds)]

    def lasts(self, url: str) -> bool:
        """Whether a URL goes wrong however often it is asked."""
        kind = self.kind_of(url)
        if kind is None:
            return False
        return kind in _FINAL or int.from_bytes(self._digest(url)[12:20], "big") < self.lasting * 2**64

    def _digest(self, url: str) -> bytes:
        return hashlib.sha256(f"{self.seed} {url}".encode()).digest()


@dataclass
class FaultBook:
    """Counts how often each URL has failed, so that it fails no more often than it should."""

    faults: Faults
    _failed: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def next(self, url: str) -> str | None:
        """The fault of this request, None when it is to be answered properly."""
        kind = self.faults.kind_of(url)
        if kind is None or self.faults.lasts(url):
            return kind
        with self._lock:
            if self._failed[url] >= self.faults.times:
                return None
            self._failed[url] += 1
        return kind
