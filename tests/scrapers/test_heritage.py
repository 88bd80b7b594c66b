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
from scrapers.heritage import open_heritage, read_index
from scrapers.http import HttpError
from scrapers.hubblesite import HubbleSite, HubbleSiteQuery, open_hubblesite
from scrapers.versions import Limits

LIMITS = Limits(10**9, 10**9)
LINK = "High-Resolution Images"


def entry(title: str, *links: tuple[str, str]) -> str:
    emphasised = " ".join(f'<em><a href="{href}">{text}</a></em>' for href, text in links)
    date = "October 2, 2003" if title == "The Sombrero" else ""
    return f"<tr><td><b>{title}</b><br>{date} text {emphasised}</td></tr>"


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
    assert [one.obs_release_date for one in found[:2]] == ["2003-10-02T00:00:00Z", None]
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
        assert "no link says 'high-resolution images'" in str(caught.value)


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
    assert sombrero.aliases == "esahubble:opo0328,stsci:2003-28"


def test_the_collection_is_asked_at_hubblesite(quick: Settings) -> None:
    gallery = open_heritage(quick, LIMITS, collection=True)
    assert isinstance(gallery, HubbleSite)
    assert (gallery.name, gallery.client.base) == ("heritage", "https://hubblesite.org")
    question = json.loads(gallery.page("Hubble Heritage", 1).request)
    assert (question["Collection"], question["Type"]) == ("Hubble Heritage", "Observations")


def cards(*paths: str) -> bytes:
    """A page of HubbleSite's list."""
    link = '<div class="ad-research-box"><a href="/contents/media/images/{0}"><img alt="{0}"></a></div>'
    return f'<main id="main-content">{"".join(map(link.format, paths))}</main>'.encode()


def downloads(*links: tuple[str, str]) -> bytes:
    """A page of a picture at HubbleSite."""
    items = "".join(f'<li><a href="{href}">{text}</a></li>' for href, text in links)
    return f'<h1>Title</h1><div class="media-library-links-list"><ul>{items}</ul></div>'.encode()


def serve_collection(host: FakeHost, prefix: str) -> None:
    """A HubbleSite with a Heritage collection of two pages."""

    def listed(path: str, query: dict[str, list[str]]) -> Answer:
        page = query.get("page", ["1"])[0] if query.get("Collection") == ["Hubble Heritage"] else "9"
        return Answer(cards(*{"1": ["2003/28/1084-Image"], "2": ["2005/12/1085-Image"]}.get(page, [])))

    host.script(f"{prefix}/images", listed)
    for number, path in enumerate(("2003/28/1084-Image", "2005/12/1085-Image")):
        host.say(f"{prefix}/contents/media/images/{path}", downloads((f"{prefix}/f/{number}.png", "900 X 800, PNG")))
        host.say(f"{prefix}/f/{number}.png", picture(number))


def esa_page(credit: str) -> bytes:
    facts = '<div class="object-info"><h3>About the Image</h3><table><tr><th class="title">Id:</th><td>x</td></tr>'
    files = '<div class="archive_download"><span class="archive_dl_text"><a href="/esa/large/{}.jpg">Large JPEG</a>'
    return f'<h1>Title</h1><div class="credit">{credit}</div>{facts}</table></div>{files}</span></div>'.encode()


def serve_esa(host: FakeHost) -> None:
    """An ESA/Hubble whose search finds two pictures, of which one is by the Heritage team."""
    rows = "".join(f"{{ id: '{name}', title: 'x', url: '/images/{name}/' }}," for name in ("opo0328a", "heic0506a"))
    listing = f"<script>var images = [{rows}];</script><div>Showing 1 to 2 of 2</div>".encode()
    host.script("/esa/images/", lambda path, query: Answer(listing if query == {"search": ["Heritage Team"]} else b""))
    for name, credit in (("opo0328a", "NASA and The Hubble Heritage Team"), ("heic0506a", "NASA, ESA, S. Beckwith")):
        host.say(f"/esa/images/{name}/", esa_page(credit).replace(b"{}", name.encode()))
        host.say(f"/esa/large/{name}.jpg", picture(ord(name[0])))


def today(host: FakeHost, quick: Settings) -> Settings:
    """Settings in which the sites of today are those of the fake host; nobody asks the closed one."""
    return quick.model_copy(update={"hubblesite_url": f"{host.url}/hs", "esahubble_url": f"{host.url}/esa"})


def test_by_default_the_collection_of_hubblesite(
    host: FakeHost, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    serve_collection(host, "/hs")
    serve_esa(host)
    said: list[str] = []
    place = today(host, quick)
    _, first = crawl_gallery(open_heritage(place, LIMITS), engine=engine, blobs=blobs, settings=place, limit=1)
    # a new run knows page 1 from the ledger only
    gallery = open_heritage(place, LIMITS, tell=said.append)
    plan, second = crawl_gallery(gallery, engine=engine, blobs=blobs, settings=place)
    assert (first.progress.got, second.progress.got, second.progress.skipped) == (1, 1, 1)
    assert [entry.line.product_id for entry in planned_products(plan, engine=engine)] == [
        "heritage:1084-Image",
        "heritage:1085-Image",
    ]
    assert said == [] and not any(path.startswith("/esa") for path in host.log)


def test_a_file_that_hubblesite_brought_is_not_fetched_again_for_its_collection(
    host: FakeHost, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    serve_collection(host, "/hs")
    place = today(host, quick)
    query = HubbleSiteQuery(collection="Hubble Heritage")
    crawl_gallery(open_hubblesite(place, LIMITS, query), engine=engine, blobs=blobs, settings=place)
    files = [path for path in host.log if path.endswith(".png")]
    plan, summary = crawl_gallery(open_heritage(place, LIMITS), engine=engine, blobs=blobs, settings=place)
    assert (summary.progress.got, summary.progress.bytes) == (2, 0)
    assert [path for path in host.log if path.endswith(".png")] == files and len(files) == 2
    mine = planned_products(plan, engine=engine)
    assert all(entry.line.status == "got" and entry.product.archive == "heritage" for entry in mine)


def test_a_file_that_is_missing_meanwhile_is_fetched_anew(
    host: FakeHost, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    serve_collection(host, "/hs")
    place = today(host, quick)
    gallery = open_hubblesite(place, LIMITS, HubbleSiteQuery(collection="Hubble Heritage"))
    plan, _ = crawl_gallery(gallery, engine=engine, blobs=blobs, settings=place)
    sha256 = planned_products(plan, engine=engine)[0].line.sha256
    assert sha256 is not None
    blobs.path(sha256).unlink()
    crawl_gallery(open_heritage(place, LIMITS), engine=engine, blobs=blobs, settings=place)
    assert sorted(path for path in host.log if path.endswith(".png")) == ["/hs/f/0.png", "/hs/f/0.png", "/hs/f/1.png"]
    assert blobs.intact(sha256)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(b"", 301, {"Location": "http://science.example/hubble/"}), "points to science.example"),
        (Answer(b"gone", 410), "does not have this any more"),
        (Answer(b"<html>Welcome to another site</html>"), "no page of HubbleSite's list"),
    ],
)
def test_where_the_collection_is_gone_esahubble_has_the_releases(
    answer: Answer, why: str, host: FakeHost, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    serve_esa(host)
    for path in ("/hs/images", "/hs/resource-gallery/images", "/hs/images/gallery/page/1", "/hs/api/v3/images"):
        host.script(path, lambda path, query: answer)
    said: list[str] = []
    place = today(host, quick).model_copy(update={"attempts": 1})
    gallery = open_heritage(place, LIMITS, tell=said.append)
    plan, summary = crawl_gallery(gallery, engine=engine, blobs=blobs, settings=place)
    found = {entry.product.source_name: entry for entry in planned_products(plan, engine=engine)}
    sombrero = found["opo0328a"]
    assert (sombrero.line.status, sombrero.product.release_id, sombrero.product.archive) == (
        "got",
        "opo0328",
        "heritage",
    )
    assert sombrero.product.aliases == "esahubble:opo0328a,heritage:2003/28,stsci:2003-28-a"
    assert (found["heic0506a"].line.status, summary.reasons) == ("refused", {"other_team": 1})
    (sentence,) = said
    assert why in sentence and sentence.endswith(f"pictures are taken from {host.url}/esa instead.")


def test_a_collection_that_is_down_for_now_is_waited_for(host: FakeHost, quick: Settings) -> None:
    serve_esa(host)
    host.say("/hs/images", Answer(b"", 503))
    gallery = open_heritage(today(host, quick).model_copy(update={"attempts": 1}), LIMITS)
    with pytest.raises(HttpError, match="answers with status 503"):
        gallery.ask(gallery.page("gallery", 1))
    assert not any(path.startswith("/esa") for path in host.log)


def test_an_index_that_leads_to_the_collection_goes_on_there(
    host: FakeHost, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    serve_collection(host, "/hs")
    host.say(
        "/old/gallery/galindex.html", Answer(b"", 301, {"Location": "/hs/images?Collection=Hubble%20Heritage&page=1"})
    )
    for limit, got in ((1, 1), (None, 1)):
        gallery = open_heritage(quick, LIMITS, archive_url=f"{host.url}/old")
        plan, summary = crawl_gallery(gallery, engine=engine, blobs=blobs, settings=quick, limit=limit)
        assert summary.progress.got == got and not summary.tiles_failed
    names = [entry.product.release_id for entry in planned_products(plan, engine=engine)]
    assert names == ["opo0328", "opo0512"]


@profile(max_examples=100, deadline=None)
@given(broken(INDEX))
def test_a_damaged_index_is_read_or_refused(body: bytes) -> None:
    try:
        found = read_index(body)
    except HttpError as error:
        assert error.reason in ("not_a_list", "not_a_page")
    else:
        assert all(one.product_id.startswith("heritage:") for one in found)
