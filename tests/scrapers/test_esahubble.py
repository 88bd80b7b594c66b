import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from broken import broken
from fake_archive import Answer, FakeHost, picture
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from manifests.blobs import BlobStore
from manifests.errors import UsageError
from manifests.footprints import overlapping
from manifests.settings import Settings
from manifests.tables import fetches
from scrapers import ledger
from scrapers.crawl import planned_products
from scrapers.esahubble import EsaHubble, open_esahubble
from scrapers.esahubble_page import LICENCE, as_product, read_list, read_page
from scrapers.fetch import PAGE
from scrapers.gallery import crawl_gallery, look_through
from scrapers.http import HttpError
from scrapers.products import Product
from scrapers.versions import Limits
from tests_support import jpeg

RECORDED = Path(__file__).parents[3] / "shared" / "reference" / "recorded" / "sites" / "esahubble"
LIMITS = Limits(10**9, 10**9)


def list_page(names: list[str], *, foot: str = "", extra: str = "") -> bytes:
    """A list page in the site's manner; `foot` is its paging."""
    entries = "".join(
        f"\n\n    {{\n        id: '{name}',\n        title: 'A rose &#39;{name}&#39; &amp; more',\n"
        "        width: 800,\n"
        f"        height: 600,\n        src: '/x.jpg',\n        url: '/images/{name}/',\n        potw: ''\n    }},\n"
        for name in names
    )
    return f"<html><script>\nvar images = [ {entries}{extra}\n];\n</script>{foot}</html>".encode()


def next_foot(number: int) -> str:
    return f'<div class="col-md-3 prev-next"><a href="/images/archive/observation/page/{number}/">Next</a></div>'


def link(number: int) -> str:
    return f'<a href="/images/page/{number}/">{number}</a>'


DEC = "78&deg 23' 11.27\""  # as the site writes it, the entity without its end
LAST_FOOT = '<div class="col-md-3 prev-next"></div>'


def download(href: str, title: str, size: str) -> str:
    link = f'<a href="{href}">{title}</a>' if href else title
    return (
        f'<div class="archive_download"><span class="archive_dl_text">{link}</span>'
        f'<span class="archive_dl_size"><div>\n    {size}\n</div></span></div>'
    )


def detail_page(
    name: str, *, kind: str = "Observation", cell: str = "td", end: str = "</table>", **parts: str
) -> bytes:
    """The page of a picture in either generation of markup (`cell`)."""

    def row(label: str, value: str) -> str:
        return f'<tr><{cell} class="title">{label}</{cell}><td>{value}</td></tr>'

    downloads = parts.get("downloads") or (
        download(f"/media/archives/images/original/{name}.tif", "Fullsize Original", "38.8 MB")
        + download(f"/cdn/large/{name}.jpg", "Large JPEG", "2.2 MB")
        + download(f"/cdn/screen/{name}.jpg", "Screensize JPEG", "275.7 KB")
    )
    return (
        f"<html><h1>Rose &amp; {name}</h1><p><p>Text.</p></p><strong>Credit:</strong>"
        '<div class="credit"><p>ESA/Hubble &amp; <a href="/">NASA</a>, H. Ebeling</p></div>'
        f'<div class="object-info"><h3>About the Image</h3><div><table>{row("Id:", name)}{row("Type:", kind)}'
        f"{row('Release date:', '8 May 2023, 06:00')}{row('Size:', '2839 x 2389 px')}</table></div>"
        f"<h3>About the Object</h3><div><table>{row('Name:', 'Abell 370')}"
        f"{row('Type:', 'Early Universe : Galaxy : Cluster<br>Cosmology')}</table></div></div>"
        f'<div><h3 class="archivegrouptitle">Image Formats</h3>{downloads}</div>'
        f'<h3 class="archivegrouptitle">Wallpapers</h3>{download(f"/cdn/wallpaper5/{name}.jpg", "2048x1536", "99 MB")}'
        f'<div class="object-info"><h3>Coordinates</h3><table>{row("Position (RA):", parts.get("ra", "18 23 22.20"))}'
        f"{row('Position (Dec):', parts.get('dec', DEC))}{parts.get('field', '')}{end}"
        f"{parts.get('telescope', '')}</div>{parts.get('colours', '')}</html>"
    ).encode()


def product(name: str = "potw2319a") -> Product:
    one = as_product({"id": name, "url": f"/images/{name}/", "title": "x"})
    assert one is not None
    return one


def site(host: FakeHost, quick: Settings, limits: Limits = LIMITS, **options: Any) -> EsaHubble:
    return open_esahubble(quick, limits, archive_url=host.url, **options)


def serve(host: FakeHost, names: list[str]) -> None:
    """A site with one list page of pictures, whose large JPEGs differ."""
    host.say("/images/archive/observation/", list_page(names, foot=LAST_FOOT))
    for number, name in enumerate(names):
        host.say(f"/images/{name}/", detail_page(name))
        host.say(f"/cdn/large/{name}.jpg", picture(number))
        host.say(f"/cdn/screen/{name}.jpg", picture(100 + number))


def test_the_list_of_a_page() -> None:
    rows, more = read_list(list_page(["opo0328a", "heic1107a"], foot=next_foot(2)))
    assert [row["id"] for row in rows] == ["opo0328a", "heic1107a"] and more
    one = as_product(rows[0])
    assert one is not None
    assert (one.product_id, one.release_id, one.obs_publisher_did) == (
        "esahubble:opo0328a",
        "opo0328",
        "STScI-PRC2003-28a",
    )
    assert (one.obs_title, one.access_format, one.licence) == ("A rose 'opo0328a' & more", PAGE, LICENCE)
    assert as_product({"id": "x"}) is None and as_product({"id": 3, "url": "/x/"}) is None


@pytest.mark.parametrize(
    ("foot", "more"),
    [
        (LAST_FOOT, False),
        (next_foot(3), True),
        ("<div>Showing 51 to 100 of 5499</div>", True),
        ("<div>Showing 5451 to 5499 of 5499</div>", False),
        (f"<div>Showing 1 to {'9' * 5000} of 16</div>", True),
        (f'<ul class="pagination"><li class="active">{link(1)}</li><li>{link(2)}</li></ul>', True),
        (f'<ul class="pagination"><li>{link(1)}</li><li class="active">{link(2)}</li></ul>', False),
        ("", True),
    ],
)
def test_whether_a_list_goes_on(foot: str, more: bool) -> None:
    assert read_list(list_page(["a"], foot=foot))[1] is more


def test_what_is_no_list() -> None:
    assert read_list(b"<div>No images were found.</div>") == ([], False)
    for body in (b"<html>busy</html>", b"var images = [{", b"var images = 3;", b""):
        with pytest.raises(HttpError) as caught:
            read_list(body)
        assert (caught.value.kind, caught.value.reason) == ("transient", "not_a_list")
    for body in (list_page(["a", "b"]).replace(b"id:", b"name:"), list_page(["a", "b"]).replace(b"url:", b"link:")):
        with pytest.raises(HttpError, match=r"http://e/ lists 2 pictures, and none of them has an id and a url"):
            read_list(body, "http://e/")
    with pytest.raises(HttpError, match="http://e/ is without a list of pictures: no script on it sets `images`"):
        read_list(b"<html><script>var pictures = [];</script></html>", "http://e/")


@pytest.mark.parametrize("cell", ["td", "th"])
@pytest.mark.parametrize("end", ["</table>", ""])
def test_a_page_of_either_generation(cell: str, end: str) -> None:
    page = read_page(detail_page("potw2319a", cell=cell, end=end), product())
    told = page.product
    assert page.type == "Observation"
    assert (told.obs_title, told.credit) == ("Rose & potw2319a", "ESA/Hubble & NASA, H. Ebeling")
    assert (told.obs_release_date, told.target_name) == ("2023-05-08T00:00:00Z", "Abell 370")
    assert (told.s_ra, told.s_dec) == pytest.approx((275.8425, 78.386464), abs=1e-5)
    assert [(v.format, v.width, v.size_bytes) for v in page.versions] == [
        ("TIFF", 2839, 38.8e6),
        ("JPEG", 2839, 2.2e6),
        ("JPEG", 1280, 275_700.0),
    ]


def test_the_sign_that_the_page_loses() -> None:
    link = '<div class="wwtlink"><a href="http://w/ShowImage.aspx?ra=10.5&amp;dec=-0.5&amp;x=640&amp;scale=0.1">W</a></div>'
    dec = "0&deg 30' 0.00\""
    assert read_page(detail_page("a", dec=dec, ra="0 42 0.0"), product()).product.s_dec == 0.5
    assert read_page(detail_page("a", dec=dec, ra="0 42 0.0", telescope=link), product()).product.s_dec == -0.5


def test_a_footprint_where_the_page_gives_all_of_it() -> None:
    whole = {
        "field": '<tr><td class="title">Field of view:</td><td>2.37 x 1.99 arcminutes</td></tr>',
        "telescope": '<script>spatial_rotation = 110.16;</script><div class="wwtlink"><a href="http://w/?ra=275.8425&amp;'
        'dec=78.3865&amp;x=640.0&amp;y=538.6">W</a></div>',
    }
    told = read_page(detail_page("a", **whole), product()).product
    assert told.s_fov == pytest.approx(2.37 / 60, rel=1e-3)
    assert told.s_region is not None and told.s_region.startswith("POLYGON ICRS ")
    table = whole["field"] + '<tr><td class="title">Orientation:</td><td>North is 110.2&deg; left of vertical</td></tr>'
    rough = whole | {"field": table, "telescope": whole["telescope"].partition("</script>")[2]}
    assert overlapping([told.s_region, read_page(detail_page("a", **rough), product()).product.s_region]) == [(0, 1)]
    off_centre = whole | {"telescope": whole["telescope"].replace("x=640.0", "x=100.0")}
    told = read_page(detail_page("a", **off_centre), product()).product
    assert told.s_region is None and told.s_fov == pytest.approx(2.37 / 60, rel=1e-3)


def test_filters_wavelengths_and_instruments() -> None:
    def band(name: str, wave: str, telescope: str, instrument: str) -> str:
        return (
            f'<tr><td><span class="band_Blue">Optical</span><br /><span class="band_instrument">{name}</span></td>'
            f'<td>{wave}</td><td>\n {telescope}\n<br/><span class="band_instrument">{instrument}</span></td></tr>'
        )

    rows = (
        band("B", "435 nm", "Hubble Space Telescope", "ACS")
        + band("H", "1.6 &mu;m", "Hubble Space Telescope", "WFC3")
        + band("X", "700 nm", "Very Large Telescope", "FORS")
    )
    colours = (
        f'<div class="object-info"><h3>Colours &amp; filters</h3><table><tr><th>Band</th></tr>{rows}</table></div>'
    )
    told = read_page(detail_page("a", colours=colours), product()).product
    assert (told.filters, told.em_min, told.em_max) == ("H/X/B", 4.35e-7, 1.6e-6)
    assert (told.facility_name, told.instrument_name) == ("HST, Very Large Telescope", "ACS, WFC3, FORS")


def test_a_page_that_is_none() -> None:
    for body in (b"", b"<html>Page not found</html>", b"<![x", b"\xff\xd8\xff"):
        with pytest.raises(HttpError) as caught:
            read_page(body, product())
        assert caught.value.kind == "transient"
    without_files = detail_page("a").replace(b"archive_download", b"downloads-2027")
    with pytest.raises(HttpError, match=r"The page of potw2319a lists no files \(.archive_download\)"):
        read_page(without_files, product())


def test_an_embargoed_picture_is_asked_again_later(
    host: FakeHost, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    serve(host, ["a"])
    host._answers["/images/a/"] = [Answer(b"", 302, {"Location": "/login/?next=/images/a/"}), Answer(detail_page("a"))]
    host.say("/login/", b'<form action="/login/"><input type="text"><input type="password"></form>')
    hasty = quick.model_copy(update={"attempts": 1})
    _, summary = crawl_gallery(site(host, hasty), engine=engine, blobs=blobs, settings=hasty)
    assert summary.reasons == {"login": 1} and "a is not public yet" in summary.errors[0]
    _, summary = crawl_gallery(site(host, hasty), engine=engine, blobs=blobs, settings=hasty)
    assert summary.progress.got == 1


def test_a_search_is_a_list_with_pages(host: FakeHost, quick: Settings) -> None:
    def found(path: str, query: dict[str, list[str]]) -> Answer:
        assert query == {"search": ["black hole"]}
        return Answer(list_page(["a2"], foot=LAST_FOOT) if "page/2" in path else list_page(["a1"], foot=next_foot(2)))

    host.script("/images/", found)
    host.script("/images/page/2/", found)
    gallery = site(host, quick, search="black hole")
    assert gallery.lists == ("search",)
    pages = [gallery.ask(gallery.page("search", number)) for number in (1, 2)]
    assert [(page.products[0].source_name, page.more) for page in pages] == [("a1", True), ("a2", False)]


def test_a_place_nobody_has_looked_up_is_none() -> None:
    told = read_page(detail_page("a", ra="0 0 0.00", dec="0&deg 0' 0.00\""), product()).product
    assert (told.s_ra, told.s_dec) == (None, None)


def chosen(host: FakeHost, quick: Settings, page: bytes, limits: Limits = LIMITS, **options: Any) -> list[str]:
    host.say("/images/a/", page)
    gallery = site(host, quick, limits, **options)
    one = replace(product("a"), access_url=f"{host.url}/images/a/")
    return [choice.access_url.removeprefix(host.url) for choice in gallery.describe(one).choices]


def test_which_file_is_taken(host: FakeHost, quick: Settings) -> None:
    page = detail_page("a")
    assert chosen(host, quick, page) == ["/cdn/large/a.jpg", "/cdn/screen/a.jpg"]
    assert chosen(host, quick, page, Limits(10**9, 10**9, originals=True))[0] == "/media/archives/images/original/a.tif"
    assert chosen(host, quick, page, Limits(20_000_000, 10**9, originals=True))[0] == "/cdn/large/a.jpg"
    assert chosen(host, quick, page, Limits(10**9, 5_000_000)) == ["/cdn/screen/a.jpg"]
    with pytest.raises(HttpError, match="larger than the limits") as caught:
        chosen(host, quick, page, Limits(1000, 10**9))
    assert (caught.value.kind, caught.value.reason) == ("refused", "too_large")


def test_originals_that_are_jpegs_and_entries_without_a_link(host: FakeHost, quick: Settings) -> None:
    downloads = (
        download("/static/archives/images/original/a.jpg", "Fullsize Original", '<span style="color:red">210 MB</span>')
        + download("", "Large JPEG", "3 MB")
        + download("http://cdn.spacetelescope.org/archives/images/publicationjpg/a.jpg", "Publication JPEG", "3 MB")
        + download("/media/archives/images/original/a.psb", "Photoshop", "900 MB")
    )
    page = detail_page("a", downloads=downloads)
    mirrored = "/archives/images/publicationjpg/a.jpg"
    assert chosen(host, quick, page) == ["/static/archives/images/original/a.jpg", mirrored]
    assert chosen(host, quick, page, Limits(10**8, 10**9)) == [mirrored]
    with pytest.raises(HttpError, match="offers no JPEG or PNG") as caught:
        host.say("/images/b/", detail_page("b", downloads=download("/o/original/b.psb", "Fullsize Original", "1 MB")))
        site(host, quick).describe(replace(product("b"), access_url=f"{host.url}/images/b/"))
    assert (caught.value.kind, caught.value.reason, len(caught.value.attempts)) == ("refused", "no_file", 1)


def test_renditions_may_be_known_by_their_titles_alone(host: FakeHost, quick: Settings) -> None:
    downloads = download("/f/1.jpg", "Screensize JPEG", "1 MB") + download("/f/2.jpg", "Large JPEG", "1 MB")
    crops = download("/f/3.jpg", "1280x1024", "9 MB") + download("/f/4.jpg", "Wallpaper", "9 MB")
    assert chosen(host, quick, detail_page("a", downloads=downloads + crops)) == ["/f/2.jpg", "/f/1.jpg"]


def test_other_types_are_refused_unless_wanted(host: FakeHost, quick: Settings) -> None:
    page = detail_page("a", kind="Artwork")
    with pytest.raises(HttpError, match="its type is Artwork"):
        chosen(host, quick, page)
    assert chosen(host, quick, page, types="all") and chosen(host, quick, page, types="artwork,chart")


def test_a_crawl_keeps_what_pages_and_files_say(
    host: FakeHost, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    serve(host, ["heic1107a", "opo0328a", "potw2319a"])
    plan, summary = crawl_gallery(site(host, quick), engine=engine, blobs=blobs, settings=quick)
    assert (summary.progress.got, summary.progress.tiles, summary.errors) == (3, 1, ())
    found = planned_products(plan, engine=engine)
    assert [entry.line.product_id for entry in found] == [
        f"esahubble:{n}" for n in ("heic1107a", "opo0328a", "potw2319a")
    ]
    for entry in found:
        assert entry.product.access_url.startswith(f"{host.url}/cdn/large/")
        assert (entry.product.access_format, entry.product.licence) == ("image/jpeg", LICENCE)
        assert entry.product.credit and entry.product.s_ra is not None
        assert entry.line.here(blobs)
    with engine.connect() as connection:
        tried = connection.execute(select(fetches.c.url, fetches.c.outcome).order_by(fetches.c.fetch_id)).all()
    assert len(tried) == 6 and {outcome for _, outcome in tried} == {"got"}
    asked = len(host.log)
    again, summary = crawl_gallery(site(host, quick), engine=engine, blobs=blobs, settings=quick)
    assert (summary.progress.skipped, len(host.log)) == (3, asked), "nothing is asked twice"
    assert again == plan


def test_a_file_that_is_gone_or_too_large_gives_way_to_a_smaller_one(
    host: FakeHost, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    serve(host, ["a", "b", "c", "d"])
    host.say("/images/a/", detail_page("a"))
    limited = quick.model_copy(update={"max_pixels": 100_000})
    host._answers["/cdn/large/a.jpg"] = [Answer(b"", 404)]
    host._answers["/cdn/large/b.jpg"] = [Answer(picture(7, (400, 400)))]
    host._answers["/cdn/large/c.jpg"] = [Answer(b"<svg xmlns='http://www.w3.org/2000/svg'/>")]
    host._answers["/cdn/large/d.jpg"] = host._answers["/cdn/screen/d.jpg"] = [Answer(b"GIF89a" + b"\0" * 50)]
    plan, summary = crawl_gallery(site(host, limited), engine=engine, blobs=blobs, settings=limited)
    found = {e.product.source_name: e for e in planned_products(plan, engine=engine)}
    assert found["a"].product.access_url.endswith("/screen/a.jpg") and found["a"].line.status == "got"
    assert found["b"].product.access_url.endswith("/screen/b.jpg") and found["b"].line.status == "got"
    assert found["c"].line.status == "failed", "an error page may be a picture tomorrow"
    assert found["d"].line.status == "refused"
    assert summary.reasons == {"not_a_picture": 2}


def test_a_limit_holds_for_what_comes_and_not_only_for_what_is_stated(
    host: FakeHost, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    names = ["declared", "dripped", "huge", "plain"]
    serve(host, names)
    small, large = picture(1), picture(2, (1200, 900))
    strict = quick.model_copy(update={"max_bytes": len(small) + 30_000, "max_pixels": 500_000})
    limits = Limits(strict.max_bytes, strict.max_pixels)
    for name in names:
        unstated = download(f"/cdn/large/{name}.jpg", "Large JPEG", "1.2 KB") + download(
            f"/cdn/screen/{name}.jpg", "Screensize JPEG", ""
        )
        # the page is longer than a picture may be
        page = detail_page(name, downloads=unstated).replace(b"2839 x 2389", b"700 x 600") + b" " * strict.max_bytes
        host._answers[f"/images/{name}/"] = [Answer(page)]
    host._answers["/cdn/large/declared.jpg"] = [Answer(b"", headers={"Content-Length": str(2**31 + 1)})]
    host._answers["/cdn/large/dripped.jpg"] = [Answer(large + b"\0" * strict.max_bytes)]
    host._answers["/cdn/large/huge.jpg"] = [Answer(jpeg(np.zeros((900, 1200, 3), np.uint8)))]
    plan, summary = crawl_gallery(site(host, quick, limits), engine=engine, blobs=blobs, settings=strict)
    assert (summary.progress.got, summary.errors) == (4, ())
    came = {e.product.source_name: e.product.access_url for e in planned_products(plan, engine=engine)}
    assert {name: url.rsplit("/", 2)[1] for name, url in came.items()} == {
        "declared": "screen",
        "dripped": "screen",
        "huge": "screen",
        "plain": "large",
    }


def test_pages_are_walked_to_the_end(host: FakeHost, quick: Settings, engine: Engine, blobs: BlobStore) -> None:
    base = "/images/archive/observation/"
    serve(host, ["a1"])
    host._answers[base] = [Answer(list_page(["a1"], foot=next_foot(2)))]
    host.say(f"{base}page/2/", list_page(["a2", "a1"], foot=""))
    for number, name in enumerate(["a2", "a3"]):
        host.say(f"/images/{name}/", detail_page(name))
        host.say(f"/cdn/large/{name}.jpg", picture(20 + number))
    plan, summary = crawl_gallery(site(host, quick), engine=engine, blobs=blobs, settings=quick)
    assert summary.progress.got == 2 and summary.tiles_failed == 0
    assert len(plan.tiles) == 3, "page 2 does not say that it is the last; page 3 is not there"
    asked = len(host.log)
    crawl_gallery(site(host, quick), engine=engine, blobs=blobs, settings=quick)
    assert len(host.log) == asked
    host._answers[f"{base}page/2/"] = [Answer(list_page(["a2", "a3"], foot=LAST_FOOT))]
    _, summary = crawl_gallery(site(host, quick), engine=engine, blobs=blobs, settings=quick, refresh=True)
    assert summary.progress.got == 1, "only --refresh looks at a list again"


def test_a_failing_page_is_passed_over_and_asked_again(
    host: FakeHost, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    base, hasty = "/images/archive/observation/", quick.model_copy(update={"attempts": 1})
    serve(host, ["a1"])
    host._answers[base] = [Answer(list_page(["a1"], foot=next_foot(2)))]
    host.say(f"{base}page/2/", b"<html>busy</html>")
    host.say(f"{base}page/3/", list_page(["a3"], foot=LAST_FOOT))
    for name in ("a2", "a3"):
        host.say(f"/images/{name}/", detail_page(name))
        host.say(f"/cdn/large/{name}.jpg", picture(ord(name[1])))
    _, summary = crawl_gallery(site(host, hasty), engine=engine, blobs=blobs, settings=hasty)
    assert (summary.progress.got, summary.tiles_failed) == (2, 1)
    assert "without a list of pictures" in summary.errors[0]
    host._answers[f"{base}page/2/"] = [Answer(list_page(["a2"], foot=next_foot(3)))]
    before = len(host.log)
    _, summary = crawl_gallery(site(host, hasty), engine=engine, blobs=blobs, settings=hasty)
    assert (summary.progress.got, summary.progress.skipped, summary.tiles_failed) == (1, 2, 0)
    assert host.log[before:] == [f"{base}page/2/", "/images/a2/", "/cdn/large/a2.jpg"]


def test_a_site_that_repeats_itself_is_not_walked_for_ever(
    host: FakeHost, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    host.script("/images/archive/observation/", lambda path, query: Answer(list_page(["a"], foot=next_foot(2))))
    host.script("/images/archive/observation/page/2/", lambda path, query: Answer(list_page(["a"], foot=next_foot(3))))
    plan, _ = crawl_gallery(site(host, quick), engine=engine, blobs=blobs, settings=quick)
    assert len(plan.tiles) == 2
    assert len(list(look_through(site(host, quick)))) == 1


def test_a_limit_saves_requests(host: FakeHost, quick: Settings, engine: Engine, blobs: BlobStore) -> None:
    serve(host, ["c", "a", "b"])
    host._answers["/images/archive/observation/"] = [Answer(list_page(["c", "a", "b"], foot=next_foot(2)))]
    _, summary = crawl_gallery(site(host, quick), engine=engine, blobs=blobs, settings=quick, limit=2)
    assert summary.progress.got == 2
    assert host.asked("/images/archive/observation/page/2/") == [] and host.asked("/images/c/") == []
    listed = [one.obs_id for one in look_through(site(host, quick), 2) if isinstance(one, Product)]
    assert listed == ["a", "b"]


def test_a_site_that_is_away_is_one_error(host: FakeHost, quick: Settings, engine: Engine, blobs: BlobStore) -> None:
    hasty = quick.model_copy(update={"attempts": 1})
    with pytest.raises(HttpError, match="does not have this any more"):
        crawl_gallery(site(host, hasty), engine=engine, blobs=blobs, settings=hasty)
    assert [count.status for count in ledger.counts(engine)] == ["failed"]


SITE, CDN = "https://esahubble.org/media/archives/images", "https://cdn.esahubble.org/archives/images"
SOMBRERO = {
    "ID": "opo0328a",
    "Title": "Sombrero",
    "Credit": "NASA and <b>Heritage</b>",
    "PublicationDate": "2003-10-02T13:00:00Z",
    "Subject": {"Category": [], "Name": ["M 104", "NGC 4594"]},
    "ReferenceURL": "https://esahubble.org/images/opo0328a/",
    "Rights": "Creative Commons Attribution 4.0 International License",
    "Assets": [
        {
            "MediaType": "Image",
            "Resources": [
                {"ResourceType": "Original", "URL": f"{SITE}/original/opo0328a.tif", "Dimensions": [11472, 6429]},
                {
                    "ResourceType": "Large",
                    "URL": f"{CDN}/large/opo0328a.jpg",
                    "Dimensions": [11472, "6429.0"],
                    "FileSize": 26e6,
                },
                {"ResourceType": "Small", "URL": f"{CDN}/screen/opo0328a.jpg"},
            ],
            "ObservationData": {
                "Facility": ["Hubble Space Telescope"],
                "Instrument": "ACS",
                "Spatial": {
                    "ReferenceValue": ["189.9976", "-11.6231"],
                    "ReferenceDimension": [11472, 6429],
                    "Scale": ["-1.39e-05", "1.39e-05"],
                    "Rotation": 0.1,
                },
            },
        }
    ],
}
ARTWORK = {
    "ID": "heic0001a",
    "Assets": [{"MediaType": "Image", "Resources": [{"ResourceType": "Large", "URL": "/large/heic0001a.jpg"}]}],
}
WITHOUT_FILES = {
    "ID": "opo0504a",
    "ReferenceURL": "https://esahubble.org/images/opo0504a/",
    "Assets": [{"MediaType": "Image", "ObservationData": {"Spatial": {"ReferenceValue": [0.0, 0.0]}}}],
}
FEED = {
    "Count": 3,
    "Next": "https://esahubble.org/images/d2d/?page=2",
    "Collections": [SOMBRERO, ARTWORK, {"Title": "nothing else"}, "no picture", WITHOUT_FILES],
}


def test_the_feed(host: FakeHost, quick: Settings) -> None:
    host.say("/images/d2d/", json.dumps(FEED).encode())
    gallery = site(host, quick, feed=True)
    page = gallery.ask(gallery.page("d2d", 1))
    assert page.more and host.asked("/images/d2d/") == ["/images/d2d/?page=1"]
    one, unread = page.products
    assert (unread.source_name, unread.access_format) == ("opo0504a", PAGE), "its page may offer what the feed does not"
    assert unread.access_url == f"{host.url}/images/opo0504a/"
    assert (one.image_type, one.aliases) == ("Observation", "heritage:2003/28,stsci:2003-28-a")
    assert one.s_resolution == pytest.approx(1.39e-5 * 3600, rel=1e-3)
    assert one.access_url == f"{host.url}/archives/images/large/opo0328a.jpg", "the mirror's own file, not the site's"
    assert (one.access_format, one.release_id, one.target_name) == ("image/jpeg", "opo0328", "M 104, NGC 4594")
    assert (one.credit, one.facility_name, one.instrument_name) == (
        "NASA and Heritage",
        "Hubble Space Telescope",
        "ACS",
    )
    assert (one.s_ra, one.s_dec) == pytest.approx((189.9976, -11.6231), abs=1e-4)
    assert one.s_fov == pytest.approx(0.1595, rel=1e-3) and one.s_region
    gallery = site(host, quick, feed=True, types="all")
    names = [p.source_name for p in gallery.ask(gallery.page("d2d", 1)).products]
    assert names == ["opo0328a", "heic0001a", "opo0504a"]
    host._answers["/images/d2d/"] = [Answer(json.dumps({"Collections": [{"Name": "x"}] * 3}).encode())]
    with pytest.raises(HttpError, match="has 3 entries, and none of them is a picture with an ID"):
        gallery.ask(gallery.page("d2d", 1))


def test_a_size_of_thousands_of_digits_is_no_size() -> None:
    page = read_page(detail_page("a").replace(b"2839 x", b"9" * 5000 + b" x"), product())
    assert page.versions
    assert {version.width for version in page.versions} == {None}


def test_used_wrongly(quick: Settings) -> None:
    with pytest.raises(UsageError, match="no category comets: choose from observation"):
        open_esahubble(quick, LIMITS, categories="galaxies,comets")
    with pytest.raises(UsageError, match="know no categories"):
        open_esahubble(quick, LIMITS, categories="galaxies", feed=True)
    gallery = open_esahubble(quick, LIMITS, categories="Galaxies, stars", archive_url="http://127.0.0.1:9/esa/")
    assert gallery.lists == ("galaxies", "stars")
    url = json.loads(gallery.page("galaxies", 3).request)["url"]
    assert url == "http://127.0.0.1:9/esa/images/archive/category/galaxies/page/3/"


@profile(max_examples=120, deadline=None)
@given(broken(list_page(["a", "b"], foot=next_foot(2))))
def test_a_damaged_list_is_read_or_refused(body: bytes) -> None:
    try:
        rows, _ = read_list(body)
    except HttpError as error:
        assert error.reason in ("not_a_list", "not_a_page", "changed") and str(error).endswith(".")
    else:
        for row in rows:
            one = as_product(row)
            assert one is None or json.dumps(one.record()).isascii()


@profile(max_examples=120, deadline=None)
@given(broken(detail_page("a", field='<tr><td class="title">Field of view:</td><td>2 x 1 arcmin</td></tr>')))
def test_a_damaged_page_is_read_or_refused(body: bytes) -> None:
    try:
        page = read_page(body, product())
    except HttpError as error:
        assert error.reason == "not_a_page"
    else:
        json.dumps(page.product.record()).encode()


@profile(max_examples=60, deadline=None)
@given(st.one_of(st.binary(), st.just(b"[" * 10**5), broken(json.dumps(FEED).encode())))
def test_a_damaged_feed_is_read_or_refused(body: bytes) -> None:
    gallery = open_esahubble(Settings(), LIMITS, feed=True, archive_url="http://127.0.0.1:9")
    try:
        found, _ = gallery._read_feed(body)
    except HttpError as error:
        assert error.reason in ("not_a_list", "not_json", "changed")
    else:
        assert len(found) <= 5


@pytest.mark.shared
@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded replies are not here")
class TestRecorded:
    def test_the_list(self) -> None:
        rows, _ = read_list((RECORDED / "galaxies_page1_2020-02.js").read_bytes())
        found = [one for one in map(as_product, rows) if one]
        assert len(found) == 50
        by_name = {one.source_name: one for one in found}
        assert by_name["opo0328a"].release_id == "opo0328"
        assert by_name["opo0328a"].aliases == "heritage:2003/28,stsci:2003-28-a"
        assert by_name["heic0506a"].obs_title == "Out of this whirl: The Whirlpool Galaxy (M51) and companion galaxy"

    def test_the_page(self) -> None:
        page = read_page((RECORDED / "potw2319a.html").read_bytes(), product())
        told = page.product
        assert page.type == "Observation"
        assert (told.s_ra, told.s_dec) == pytest.approx((275.8425, 78.38646), abs=1e-4)
        assert (told.filters, told.instrument_name, told.facility_name) == ("H/JH/J/YJ/Y/I/V/B", "ACS, WFC3", "HST")
        assert (told.em_min, told.em_max) == (4.35e-7, 1.6e-6)
        assert told.credit == "ESA/Hubble & NASA, H. Ebeling"
        assert (
            told.s_region
            and told.aliases is None
            and [v.size_bytes for v in page.versions] == [38.8e6, 2.2e6, 275_700.0]
        )

    def test_any_damage(self) -> None:
        whole = (RECORDED / "potw2319a.html").read_bytes()
        start = whole.index(b"object-info") - 2000

        @profile(max_examples=25, deadline=None)
        @given(broken(whole[start:]))
        def damaged(body: bytes) -> None:
            try:
                read_page(body, product())
            except HttpError as error:
                assert error.reason == "not_a_page"

        damaged()
        rows = (RECORDED / "galaxies_page1_2020-02.js").read_bytes()

        @profile(max_examples=60, deadline=None)
        @given(broken(rows))
        def damaged_list(body: bytes) -> None:
            try:
                read_list(body)
            except HttpError as error:
                assert error.reason in ("not_a_list", "not_a_page", "changed")

        damaged_list()
