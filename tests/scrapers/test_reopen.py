"""What a tile says of the archive it was asked of is enough to ask the same question of the same archive again."""

from pathlib import Path

import pytest

from manifests.settings import Settings
from scrapers.hla import Hla, hla_query
from scrapers.hlaview import HlaView
from scrapers.hubblesite import HubbleSiteQuery
from scrapers.mast import Mast, mast_query
from scrapers.plans import Archive
from scrapers.products import Tile
from scrapers.reopen import Asked, EsaHubbleQuery, HeritageQuery, asked_of, reopen
from scrapers.sky import Cone

MIRROR = "http://127.0.0.1:9/some/path"
ASKED = [
    *(
        Asked("hla", base, query)
        for base in ("https://hla.stsci.edu", MIRROR)
        for query in (
            hla_query(),
            hla_query("best,all", "ACS,wfpc2-pc", "F814W,f606w"),
            hla_query(fits=True, filters="detection"),
            hla_query("exposure", fits=True, filters="F555W"),
        )
    ),
    Asked("mast", "https://mast.stsci.edu", mast_query()),
    Asked("mast", MIRROR, mast_query("hap", "combined")),
    *(
        Asked("esahubble", base, query)
        for base in ("https://esahubble.org", MIRROR)
        for query in (
            EsaHubbleQuery("observation"),
            EsaHubbleQuery("galaxies"),
            EsaHubbleQuery("top100"),
            EsaHubbleQuery("all"),
            EsaHubbleQuery(feed=True),
            EsaHubbleQuery(search="Tarantula page/3/"),
        )
    ),
    Asked("hubblesite", "https://hubblesite.org", HubbleSiteQuery()),
    Asked("hubblesite", MIRROR, HubbleSiteQuery(None, "105-galaxies", "Hubble Favorites", "2017")),
    Asked("heritage", None, HeritageQuery()),
    Asked("heritage", MIRROR, HeritageQuery()),
    Asked("heritage", MIRROR, HeritageQuery(collection=True)),
    Asked("heritage", "https://hubblesite.org", HeritageQuery(collection=True)),
]


@pytest.fixture
def usual(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_the_same_is_asked_of_the_same(asked: Asked, usual: Settings) -> None:
    with reopen(asked, usual) as archive:
        if isinstance(archive, Hla | HlaView | Mast):
            tiles = [archive.tile(Cone(12.5, -30.25, 0.5)), archive.tile(Cone(0, 90, 0))]
        else:
            tiles = [archive.page(name, number) for name in archive.lists for number in (1, 2, 17)]
    assert {asked_of(tile) for tile in tiles} == {asked}


def test_what_was_asked_through_the_page_is_asked_there(usual: Settings) -> None:
    query = hla_query("best", "WFC3,ACS", "F814W")
    with reopen(Asked("hla", MIRROR, query, browser=True), usual, for_tiles=False) as archive:
        assert isinstance(archive, Hla) and archive.query == query
        page: Archive = HlaView(archive.client, query, usual, None)  # type: ignore[arg-type]  # asks for nothing
    assert asked_of(page.tile(Cone(12.5, -30.25, 0.5))) == Asked("hla", MIRROR, query, browser=True)


def test_another_server_may_be_asked_instead(usual: Settings) -> None:
    for asked in ASKED:
        with reopen(asked, usual, MIRROR) as archive:
            assert archive.client.base == MIRROR


def test_what_nobody_was_asked_for_is_no_question() -> None:
    assert asked_of(Tile("hla", '{"composite": "asinh"}')) is None
    assert asked_of(Tile("folder", "/some/frames")) == Asked("folder", "/some/frames", None)
