"""What each host allows robots to ask (RFC 9309), read once a day."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from protego import Protego

from scrapers.politeness import Clock

AGENT = "Deepfield"
_A_DAY_S = 86_400.0


@dataclass(frozen=True)
class Rules:
    """The rules of one host that concern us. `interval_s` is the least time between requests, 0 where none is set."""

    parser: Protego
    interval_s: float
    read_at: float

    def allow(self, url: str) -> bool:
        """Whether this address may be asked."""
        return bool(self.parser.can_fetch(url, AGENT))


def parse_rules(text: str, read_at: float) -> Rules:
    """Read a robots.txt; text that is none, such as an error page, forbids nothing."""
    parser = Protego.parse(text)
    interval = float(parser.crawl_delay(AGENT) or 0.0)
    rate = parser.request_rate(AGENT)
    if rate is not None and rate.requests > 0:
        interval = max(interval, rate.seconds / rate.requests)
    return Rules(parser, interval, read_at)


class Robots:
    """The rules of all hosts met so far.

    `read` returns the text of `<origin>/robots.txt`, empty where the host has none, and raises where the host
    cannot be asked: RFC 9309, 2.3.1.4 then forbids everything, and nothing is remembered.
    """

    def __init__(self, read: Callable[[str], str], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._rules: dict[str, Rules] = {}
        self._lock = threading.Lock()

    def rules(self, origin: str) -> Rules:
        """The rules of an origin (`scheme://host:port`)."""
        with self._lock:
            known = self._rules.get(origin)
            if known is None or self._clock.now() - known.read_at > _A_DAY_S:
                known = self._rules[origin] = parse_rules(self._read(origin), self._clock.now())
            return known
