"""`hlaview.html`, the Hubble Legacy Archive's page for people: JavaScript that searches and shows twenty at a time."""

from pathlib import Path

from scrapers.replica.exchange import Reply, Routes

_PAGE = Path(__file__).with_name("hlaview.html")


def hlaview_routes(prefix: str = "") -> Routes:
    """The route of the page at `prefix`. It asks `cgi-bin/hlaSIAP.cgi` below its own address."""
    body = _PAGE.read_bytes()
    return {f"{prefix}/hlaview.html": lambda request: Reply(body)}
