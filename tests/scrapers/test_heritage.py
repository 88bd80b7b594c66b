import json

import pytest
from broken import broken
from fake_archive import Answer, FakeHost, picture
from hypothesis import given
from hypothesis import settings as profile
from sqlalchemy import Engine

from manifests.blobs import BlobStore
from manifests.settings import Settings
from scrapers.crawl import planned_products
from scrapers.gallery import crawl_gallery
from scrapers.heritage import Heritage, open_heritage, read_index
from scrapers.http import HttpError
from scrapers.hubblesite import HubbleSite
from scrapers.politeness import Gates
from scrapers.versions import Limits

LIMITS = Limits(10**9, 10**9)
LINK = "High-Resolution Images"


def entry(title: str, *links: tuple[str, str]) -> str:
    emphasised = " ".join(f'<em><a href="{href}">{text}</a></em>' for href, text in links)
    return f"<tr><td><b>{title}</b><br>text {emphasised}</td></tr>"


INDEX = (
    "<html><h1>Gallery</h1><table>"
    + entry("The Sombrero", ("/2003/28/caption.html", "Caption"), ("/2003/28/big.html", LINK))
    + entry("A <i>comet</i>", ("http://heritage.stsci.edu/2001/24/mars/big.html", f" {LINK}\n"))
    + entry("Moved", ("/1999/41/index.html", "Release"), ("http://hubblesite.org/image/911/gallery", LINK))
    + entry("Unnumbered", ("/special/big.html", LINK))
    + entry("Words only", ("/2004/10/caption.html", "Caption"))
    + f'<tr><td>no emphasis <a href="/2005/01/big.html">{LINK}</a></td></tr>'
    + "</table></html>"
).encode("iso-8859-1")


def page(*links: tuple[str, str]) -> bytes:
    return (
        "<html><h1>Title</h1>" + "".join(f'<a href="{href}">{text}</a>' for href, text in links) + "</html>"
    ).encode()


def test_the_index() -> None:
    found = read_index(INDEX)
    assert [(one.source_name, one.release_id, one.obs_title, one.access_url) for one in found] == [
        ("2003-28", "opo0328", "The Sombrero", "/2003/28/big.html"),
        ("2001-24", "opo0124", "A comet", "http://heritage.stsci.edu/2001/24/mars/big.html"),
        ("1999-41", "opo9941", "Moved", "http://hubblesite.org/image/911/gallery"),
        ("special/big.html", "stsci:special/big.html", "Unnumbered", "/special/big.html"),
    ]
    assert found[0].obs_publisher_did == "STScI-PRC2003-28"
    assert found[0].obs_collection == "Hubble Heritage"


def test_two_pages_of_one_release() -> None:
    index = entry("a", ("/2001/24/big.html", LINK)) + entry("b", ("/2001/24/mars/big.html", LINK))
    assert [one.source_name for one in read_index(index.encode())] == ["2001-24", "2001-24-more"]


def test_what_is_no_index() -> None:
    for body in (b"", b"<html>busy</html>", b"\xff\xd8\xff"):
        with pytest.raises(HttpError) as caught:
            read_index(body)
        assert (caught.value.kind, caught.value.reason) == ("transient", "not_a_list")
    moved = b'<div class="ad-research-box"><a href="/contents/media/images/1-Image">x</a></div>'
    with pytest.raises(HttpError, match="add --collection") as caught:
        read_index(moved)
    assert (caught.value.kind, caught.value.reason) == ("permanent", "moved")


def test_a_crawl(host: FakeHost, quick: Settings, engine: Engine, blobs: BlobStore) -> None:
    host.say("/gallery/galindex.html", INDEX)
    host.say("/2003/28/big.html", Answer(b"", 302, {"Location": "/hs/image/1/news"}))
    sidebar = '<p class="display_image_sidebar_title_2"><a href="{}">{}</a></p>'
    links = (("big/a-900x800.jpg", "JPEG"), ("big/b-300x280.jpg", "JPG"), ("big/c.pdf", "PDF"))
    host.say("/hs/image/1/news", ("<h1>Sombrero</h1>" + "".join(sidebar.format(*one) for one in links)).encode())
    host.say("/hs/image/1/big/a-900x800.jpg", picture(1))
    host.say(
        "/2001/24/mars/big.html",
        page(("0124w.jpg", "small, 320 x 240"), ("0124b.jpg", "JPEG, 3000 x 2000"), ("/", "Home")),
    )
    host.say("/2001/24/mars/0124b.jpg", picture(2))
    host.say("/image/911/gallery", page(("/", "Home"), ("/text.pdf", "PDF")))
    plan, summary = crawl_gallery(
        open_heritage(quick, LIMITS, archive_url=host.url), engine=engine, blobs=blobs, settings=quick
    )
    found = {entry.product.source_name: entry for entry in planned_products(plan, engine=engine)}
    assert {name: entry.line.status for name, entry in found.items()} == {
        "2003-28": "got",
        "2001-24": "got",
        "1999-41": "refused",
        "special/big.html": "gone",
    }
    assert summary.reasons == {"gone": 1, "no_file": 1}
    sombrero = found["2003-28"].product
    assert sombrero.access_url == f"{host.url}/hs/image/1/big/a-900x800.jpg", (
        "links count from where the page came from"
    )
    assert (sombrero.obs_title, sombrero.release_id) == ("Sombrero", "opo0328")
    assert found["2001-24"].product.access_url.endswith("/2001/24/mars/0124b.jpg")


def test_the_collection_is_asked_at_hubblesite(quick: Settings) -> None:
    gallery = open_heritage(quick, LIMITS, collection=True)
    assert isinstance(gallery, HubbleSite)
    assert (gallery.name, gallery.client.base) == ("heritage", "https://hubblesite.org")
    question = json.loads(gallery.page("Hubble Heritage", 1).request)
    assert (question["Collection"], question["Type"]) == ("Hubble Heritage", "Observations")


def test_the_closed_site_says_where_its_pictures_are(quick: Settings) -> None:
    from scrapers.http import PoliteClient

    class Away(PoliteClient):
        def get(self, url: str, check: object, params: object = None) -> object:  # type: ignore[override]
            raise HttpError("transient", "unreachable", "heritage.stsci.edu cannot be reached.")

    gallery = Heritage(Away(quick.heritage_url, quick, Gates(1, 1)), LIMITS)
    with pytest.raises(HttpError, match=r"cannot be reached. The site closed about 2020.*--collection"):
        gallery.ask(gallery.page("gallery", 1))


@profile(max_examples=100, deadline=None)
@given(broken(INDEX))
def test_a_damaged_index_is_read_or_refused(body: bytes) -> None:
    try:
        found = read_index(body)
    except HttpError as error:
        assert error.reason in ("not_a_list", "not_a_page")
    else:
        assert all(one.product_id.startswith("heritage:") for one in found)
