import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.settings import Settings
from scrapers.esahubble import open_esahubble
from scrapers.gallery import Gallery, address
from scrapers.heritage import open_heritage
from scrapers.hosts import HostList
from scrapers.hubblesite import PUBLIC, HubbleSiteQuery, open_hubblesite
from scrapers.versions import Limits

LIMITS = Limits(10**9, 10**9)
SITE = "https://hubblesite.org"
MIRROR = "http://127.0.0.1:8580/hubblesite"


@pytest.mark.parametrize(
    ("href", "base", "expected"),
    [
        ("/image/1/news", SITE, "https://hubblesite.org/image/1/news"),
        ("next.html", SITE, "https://hubblesite.org/images/next.html"),
        ("//stsci-opo.org/STScI-01.png", SITE, "https://stsci-opo.org/STScI-01.png"),
        ("http://imgsrc.hubblesite.org/hvi/a.jpg", SITE, "https://imgsrc.hubblesite.org/hvi/a.jpg"),
        ("/image/1/news", MIRROR, f"{MIRROR}/image/1/news"),
        ("/hubblesite/image/1/news?x=1", MIRROR, f"{MIRROR}/image/1/news?x=1"),
        ("next.html", MIRROR, f"{MIRROR}/images/next.html"),
        ("//stsci-opo.org/STScI-01.png", MIRROR, f"{MIRROR}/STScI-01.png"),
        ("//127.0.0.1:8580/files/a.png", MIRROR, "http://127.0.0.1:8580/files/a.png"),
        ("https://elsewhere.example/a.png", MIRROR, "https://elsewhere.example/a.png"),
        ("http://[", MIRROR, "http://["),
    ],
)
def test_where_a_link_leads(href: str, base: str, expected: str) -> None:
    assert address(href, f"{base}/images/index.html", base, PUBLIC) == expected


@given(st.text())
def test_any_link_is_an_address_of_some_kind(href: str) -> None:
    for base in (SITE, MIRROR):
        assert isinstance(address(href, f"{base}/images/", base, PUBLIC), str)


def galleries(settings: Settings, url: str | None) -> list[Gallery]:
    return [
        open_esahubble(settings, LIMITS, archive_url=url),
        open_hubblesite(settings, LIMITS, HubbleSiteQuery(), archive_url=url),
        open_heritage(settings, LIMITS, archive_url=url),
        open_heritage(settings, LIMITS, collection=True, archive_url=url),
    ]


def test_the_real_sites_and_their_mirrors(quick: Settings) -> None:
    bases = ["https://esahubble.org", "https://hubblesite.org", "https://hubblesite.org", "https://hubblesite.org"]
    assert [gallery.client.base for gallery in galleries(quick, None)] == bases
    assert {gallery.client.base for gallery in galleries(quick, f"{MIRROR}/")} == {MIRROR}
    for gallery in galleries(quick, None):
        hosts = gallery.client._hosts
        assert isinstance(hosts, HostList) and hosts.own.host in hosts.friends
    for gallery in galleries(quick, MIRROR):
        assert gallery.client._hosts.friends == frozenset(), "a mirror sends nobody to the public sites"


def test_tiles_of_equal_questions_are_equal(quick: Settings) -> None:
    for one, other in zip(galleries(quick, None), galleries(quick, None), strict=True):
        name = one.lists[0]
        assert one.page(name, 2) == other.page(name, 2) != one.page(name, 1)
        assert one.page(name, 2).archive == one.name
