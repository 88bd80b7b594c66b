"""Shares with their uncertainty: Wilson's intervals, and how large an error may be shown to be at most."""

import math
from dataclasses import dataclass

_TWO_SIDED_95 = 1.959964


@dataclass(frozen=True)
class Share:
    """`hits` of `total`."""

    hits: int
    total: int

    @property
    def value(self) -> float:
        """The share itself, 0 to 1; 0 of nothing."""
        return self.hits / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's score interval at 95 % (Wilson 1927, JASA 22, 209); all there is where there is nothing."""
        return _wilson(self.hits, self.total, _TWO_SIDED_95) if self.total else (0.0, 1.0)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{100 * self.value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def errors_allowed(total: int, wanted: float, z: float) -> int:
    """How many errors among `total` leave Wilson's upper bound, one-sided at `z` deviations, at `wanted` or below.

    A set that is too small to show that rate at all is allowed none.
    """
    allowed = 0
    while allowed < total and _wilson(allowed + 1, total, z)[1] <= wanted:
        allowed += 1
    return allowed


def _wilson(hits: int, total: int, z: float) -> tuple[float, float]:
    share, spread = hits / total, z * z / total
    centre = share + spread / 2
    half = z * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return max(0.0, (centre - half) / (1 + spread)), min(1.0, (centre + half) / (1 + spread))
