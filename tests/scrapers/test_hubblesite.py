import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from broken import broken
from fake_archive import Answer, FakeHost, picture
from hypothesis import given
from hypothesis import settings as profile
from sqlalchemy import Engine

from manifests.blobs import BlobStore
from manifests.errors import UsageError
from manifests.settings import Settings
from scrapers.crawl import planned_products
from scrapers.gallery import crawl_gallery, look_through
from scrapers.http import HttpError, PoliteClient
from scrapers.hubblesite import HubbleSite, HubbleSiteQuery, open_hubblesite
from scrapers.hubblesite_page import LICENCE, as_product, image_name, read_cards, read_picture, type_by_title
from scrapers.politeness import Gates
from scrapers.products import Product
from scrapers.versions import Limits, in_order

RECORDED = Path(__file__).parents[3] / "shared" / "reference" / "recorded" / "sites"
LIMITS = Limits(10**9, 10**9)
PRODUCT = as_product("hubblesite", "HubbleSite", "4622-Image", "", "", "/contents/media/images/2020/07/4622-Image")


def cards(*paths: str) -> bytes:
    """A list page of 2020 to 2024."""
    found = "".join(
        f'<div class="col-sm-4"><div class="ad-research-box"><a href="/contents/media/images/{path}?itemsPerPage=100'
        f'&amp;page=1"><picture><img alt="Alt {path}" srcset="//s/x.png 1x"></picture>'
        f'<div class="text-overlay__center"> Title of {path} </div></a></div></div>'
        for path in paths
    )
    return f'<html><main id="main-content">{found}</main></html>'.encode()


def rows(*paths: str) -> bytes:
    """A list page of 2017 to 2020."""
    found = "".join(f'<a href="{path}"><img alt="Alt"></a><a href="/news/1">News</a>' for path in paths)
    return f'<html><div class="images_row">{found}</div></html>'.encode()


DOWNLOADS = (
    ("//stsci-opo.org/a.tif", "Full Res (For Print), 5210 X 2358, TIF (15.12&nbsp;MB)&nbsp;"),
    ("//stsci-opo.org/b.png", "2000x1125, 2000 X 905, PNG (2.35&nbsp;MB)&nbsp;"),
    ("//stsci-opo.org/c.png", "Full Res (For Display), 5210 X 2358, PNG (12.27&nbsp;MB)&nbsp;"),
    ("//stsci-opo.org/d.png", "Unannotated Full Res, 5210 X 2358, PNG (12.10&nbsp;MB)&nbsp;"),
    ("//stsci-opo.org/e.pdf", "Extended Description, PDF (113.21&nbsp;KB)&nbsp;"),
)
FACTS = (
    ("Object Name", "Abell 370"),
    ("R.A. Position", "02:39:55.29"),
    ("Dec. Position", "-01:33:51.50"),
    ("Constellation", "Cetus"),
    ("Instrument", "HST&gt;ACS/WFC and HST&gt;WFC3/IR"),
    ("Exposure Dates", "19 December 2010, 6 July 2014"),
    ("Filters", "ACS/WFC: F435W, F606W, and F814W; WFC3/IR: F105W, F125W, F140W, and F160W"),
)


def detail(
    *, later: bool = True, downloads: tuple[tuple[str, str], ...] = DOWNLOADS, release: str = "2022-054"
) -> bytes:
    """The page of a picture, in the markup of 2023 (`later`) or 2022."""
    title = "Lensed Supernova in Abell 370"
    heading = f'<h1 id="page-title">{title}</h1>' if later else f'<h1 class="section-header__title h2">\n{title}\n</h1>'
    credit = '<a href="/">NASA</a>, <a href="/">ESA</a><br/>STScI'
    credits = f'<p><h3 class="inline">Credits</h3>{credit}</p>' if later else f"<h3>Credits</h3>\n<p>{credit}</p>"
    links = "".join(f'<li><a href="{href}">{text}</a></li>' for href, text in downloads)
    facts = "".join(f"<tr><td>{label}</td><td>{value}</td></tr>" for label, value in FACTS)
    help_ = "".join(f"<tr><td>{label}</td><td>Explained.</td></tr>" for label, _ in FACTS)
    read = f'<h3>Read the Release</h3> <a href="/contents/news-releases/x">{release}</a>' if release else ""
    return (
        f'<html><div id="main-content">{heading}<h3>Release Date</h3> November 09, 2022 11:00AM (EST)'
        f"<!-- 8 May 2020 -->{read}"
        f'<div class="media-library-links-list"><h3>Download Options</h3><ul role="list">{links}</ul></div>'
        f"<h3>Caption</h3><p>Text.</p>{credits}<h3>Keywords</h3><ul><li>Novae</li></ul>"
        f'<table><tbody><tr><th colspan="2">About The Object</th></tr>{facts}</tbody></table>'
        f"<h3>Fast Facts Help</h3><table>{help_}</table></div></html>"
    ).encode()


def old_detail(*links: tuple[str, str]) -> bytes:
    found = "".join(
        f'<div class="display_image_sidebar_title_2"><a href="{href}">{text}</a></div>' for href, text in links
    )
    return f"<html><h1>Comet</h1>{found}</html>".encode()


def site(host: FakeHost, quick: Settings, **query: Any) -> HubbleSite:
    return open_hubblesite(quick, LIMITS, HubbleSiteQuery(**query), archive_url=host.url)


@pytest.mark.parametrize(
    ("path", "name", "release"),
    [
        ("/contents/media/images/2020/07/4622-Image", "4622-Image", "opo2007"),
        ("/contents/media/images/2022/054/01GGT9JB74B5FXX95WGM0285E5.html", "01GGT9JB74B5FXX95WGM0285E5", "opo2254"),
        ("/contents/media/images/4618-Image", "4618-Image", "stsci:4618-Image"),
        ("/image/4622/news_release/2020-07", "4622-Image", "opo2007"),
        ("/image/1038/gallery/46-comets", "1038-Image", "stsci:1038-Image"),
        ("/image/3999/gallery", "3999-Image", "stsci:3999-Image"),
        ("/image/4680/news", "4680-Image", "stsci:4680-Image"),
        ("/contents/news", None, None),
    ],
)
def test_names_are_the_same_in_all_eras(path: str, name: str | None, release: str | None) -> None:
    assert image_name(path) == name
    if name:
        assert as_product("hubblesite", "HubbleSite", name, path, "", path).release_id == release


def test_lists_of_both_kinds() -> None:
    found = read_cards(cards("2020/07/4622-Image", "4618-Image", "4618-Image"), "u", "HubbleSite", "hubblesite")
    assert [(one.source_name, one.obs_title) for one in found] == [
        ("4622-Image", "Title of 2020/07/4622-Image"),
        ("4618-Image", "Title of 4618-Image"),
    ]
    assert found[0].access_url == "/contents/media/images/2020/07/4622-Image?itemsPerPage=100&page=1"
    old = read_cards(rows("/image/3999/gallery", "/image/2432/news_release/2008-39"), "u", "HubbleSite", "hubblesite")
    assert [one.release_id for one in old] == ["stsci:3999-Image", "opo0839"]
    assert read_cards(cards(), "u", "HubbleSite", "hubblesite") == []
    with pytest.raises(HttpError, match="no page of HubbleSite's list") as caught:
        read_cards(b"<html>The archive is busy.</html>", "u", "HubbleSite", "hubblesite")
    assert caught.value.kind == "transient"


@pytest.mark.parametrize("later", [True, False])
def test_the_page_of_a_picture(later: bool) -> None:
    page = read_picture(detail(later=later), PRODUCT)
    told = page.product
    assert (told.obs_title, told.credit) == ("Lensed Supernova in Abell 370", "NASA, ESA STScI")
    assert (told.obs_release_date, told.release_id) == ("2022-11-09T00:00:00Z", "opo2254")
    assert (told.obs_publisher_did, told.licence) == ("STScI-PRC2022-54", LICENCE)
    assert (told.target_name, told.instrument_name, told.facility_name) == ("Abell 370", "ACS/WFC, WFC3/IR", "HST")
    assert told.filters == "F160W/F140W/F125W/F105W/F814W/F606W/F435W"
    assert (told.s_ra, told.s_dec) == pytest.approx((39.980375, -1.564306), abs=1e-6)
    assert (told.t_min, told.t_max) == (55549.0, 56845.0)
    assert told.aliases == "esahubble:opo2254,heritage:2022/54,stsci:2022-54"
    assert told.em_min == pytest.approx(3.778e-7) and told.em_max == pytest.approx(1.67105e-6)
    assert [v.url[-5:] for v in in_order(page.versions, LIMITS)] == ["d.png", "c.png", "b.png"]


def test_files_tell_which_picture_of_a_release_it_is() -> None:
    files = [f"//imgsrc.hubblesite.org/STScI-H-p2254b-{size}.png" for size in ("2000x905", "5210x2358")]
    told = read_picture(detail(downloads=tuple((url, "PNG") for url in files)), PRODUCT).product
    assert (told.release_id, told.obs_publisher_did) == ("opo2254", "STScI-PRC2022-54b")
    assert told.aliases == "esahubble:opo2254b,heritage:2022/54,stsci:2022-54-b"


def test_fast_facts_by_their_older_labels() -> None:
    facts = (
        ("Object Name:", "M77"),
        ("Position (J2000):", "R.A. 02<sup>h</sup> 42<sup>m</sup> 40<sup>s</sup>.77<br />Dec. -00&deg; 00' 47.84\""),
        ("Constellation:", "Cetus"),
        ("Instrument:", "WFPC2"),
        ("Exposure Date(s):", "April 1994 and May 1995"),
        ("Filters:", "F502N, F547M, F656N"),
        ("Release Date:", "April 4, 2013"),
        ("Image Credit:", "NASA, ESA &amp; A. van der Hoeven"),
    )
    table = "".join(f"<tr><td>{label}</td><td>{value}</td></tr>" for label, value in facts)
    page = old_detail(("/f/a.jpg", "JPEG")).replace(b"</html>", f"<table>{table}</table></html>".encode())
    told = read_picture(page, PRODUCT).product
    assert (told.s_ra, told.s_dec) == (pytest.approx(40.669875, abs=1e-6), pytest.approx(-0.0132889, abs=1e-6))
    assert (told.target_name, told.instrument_name, told.filters) == ("M77", "WFPC2", "F656N/F547M/F502N")
    assert (told.t_min, told.t_max) == (49443.0, 49869.0)  # 1994-04-01 to 1995-05-31
    assert (told.obs_release_date, told.credit) == ("2013-04-04T00:00:00Z", "NASA, ESA & A. van der Hoeven")


def test_files_tell_the_release_where_the_address_does_not() -> None:
    links = [(f"//imgsrc.hubblesite.org/hvi/9/STScI-H-p1843b-{size}.png", "PNG") for size in ("700x400", "1400x800")]
    told = read_picture(
        old_detail(*links), as_product("hubblesite", "HubbleSite", "4680-Image", "/image/4680/news", "", "")
    )
    assert (told.product.release_id, told.product.obs_publisher_did) == ("opo1843", "STScI-PRC2018-43b")


def test_of_two_shapes_the_one_with_the_most_pixels() -> None:
    shapes = (
        ("//s/a.png", "480 X 630, PNG (1 MB)"),
        ("//s/b.png", "2000 X 960, PNG (3 MB)"),
        ("//s/c.png", "1024 X 361"),
    )
    assert in_order(read_picture(detail(downloads=shapes), PRODUCT).versions, LIMITS)[0].url == "//s/b.png"


def test_artwork_has_no_facts_and_some_pictures_no_release() -> None:
    page = read_picture(detail(release="").partition(b"<table>")[0] + b"</html>", PRODUCT)
    assert (page.product.s_ra, page.product.filters, page.product.release_id) == (None, None, "stsci:4622-Image")


def test_a_page_that_is_none() -> None:
    for body in (b"", b"<html>busy</html>", b"<![x"):
        with pytest.raises(HttpError) as caught:
            read_picture(body, PRODUCT)
        assert (caught.value.kind, caught.value.reason) == ("transient", "not_a_page")
    with pytest.raises(HttpError, match=r"without a list of files \(Download Options\) of 4622-Image"):
        read_picture(detail(downloads=()), PRODUCT)


@pytest.mark.parametrize(
    "body",
    [
        cards("1-Image", "2-Image").replace(b"/contents/media/images/", b"/asset/hubble/"),
        rows("/image/1/gallery").replace(b"/image/1", b"/pictures/1"),
    ],
)
def test_a_list_whose_links_have_changed_is_an_error_and_not_its_end(
    body: bytes, host: FakeHost, quick: Settings
) -> None:
    hasty = quick.model_copy(update={"attempts": 2})
    host.script("/images", lambda path, query: Answer(cards("1-Image") if query["page"] == ["1"] else body))
    gallery = site(host, hasty)
    assert gallery.ask(gallery.page("images", 1)).more
    with pytest.raises(HttpError, match=r"/images has \d entries, and none links to a page of a picture") as caught:
        gallery.ask(gallery.page("images", 2))
    assert caught.value.reason == "changed"
    host.script("/api/v3/images", lambda path, query: Answer(b'[{"number": 7}]'))
    by_api = site(host, hasty, era="api")
    with pytest.raises(HttpError, match="lists 1 pictures, and none of them has an id"):
        by_api.ask(by_api.page("images", 1))


def test_the_site_that_moved_says_where_its_releases_are(quick: Settings) -> None:
    class Moved(PoliteClient):
        def get(self, url: str, check: object, params: object = None) -> object:  # type: ignore[override]
            raise HttpError("refused", "elsewhere", "The archive points to science.nasa.gov.")

    gallery = HubbleSite(Moved(quick.hubblesite_url, quick, Gates(1, 1)), LIMITS, HubbleSiteQuery())
    with pytest.raises(HttpError, match=r"science.nasa.gov, whose pages .* deepfield scrape esahubble"):
        gallery.ask(gallery.page("images", 1))


@pytest.mark.parametrize(
    ("title", "type"),
    [
        ("Compass and Scale Image for NGC 1309", "Compass"),
        ("Annotated View of M51", "Annotated Observations"),
        ("Illustration of Dwarf Nova System", "Artwork"),
        ("Artist's Concept of a Planet", "Artwork"),
        ("Spectrum of a Quasar", "Spectra"),
        ("Light Echo from Star V838 Monocerotis", None),
        ("Spectacular Barred Spiral", None),
    ],
)
def test_titles_tell_types_where_the_older_pages_do_not(
    title: str, type: str | None, host: FakeHost, quick: Settings
) -> None:
    assert type_by_title(title) == type
    host.say("/image/1/gallery", old_detail(("/f/a.jpg", "JPEG")).replace(b"Comet", title.encode()))
    old = replace(PRODUCT, access_url=f"{host.url}/image/1/gallery")
    if type is None:
        assert site(host, quick).describe(old).choices[0].image_type is None
    else:
        with pytest.raises(HttpError, match=f"its type is {type}"):
            site(host, quick).describe(old)
        assert site(host, quick, type=type).describe(old).choices[0].image_type == type


def test_the_older_pages_by_stated_size_and_never_by_place(host: FakeHost, quick: Settings) -> None:
    old = replace(PRODUCT, access_url=f"{host.url}/image/1/gallery")

    def chosen(*links: tuple[str, str]) -> list[str]:
        host._answers["/image/1/gallery"] = [Answer(old_detail(*links))]
        return [choice.access_url for choice in site(host, quick).describe(old).choices]

    files = "//imgsrc.hubblesite.org/hvi/uploads/image_file/image_attachment/9"
    here = f"{host.url}/hvi/uploads/image_file/image_attachment/9"
    unsorted = ((f"{files}/full_jpg.jpg", "JPEG"), (f"{files}/web.jpg", "JPEG"), (f"{files}/full_tif.tif", "TIFF"))
    assert chosen(*unsorted) == [f"{here}/full_jpg.jpg", f"{here}/web.jpg"]
    stated = ((f"{files}/x-3000x2400.jpg", "JPEG"), (f"{files}/y-300x240.png", "PNG"), (f"{files}/z.pdf", "PDF"))
    assert chosen(*stated) == [f"{here}/x-3000x2400.jpg", f"{here}/y-300x240.png"]
    with pytest.raises(HttpError, match="offers no JPEG or PNG"):
        chosen((f"{files}/z.pdf", "PDF"), (f"{files}/z.tif", "TIFF"))


def test_the_era_is_found_out(host: FakeHost, quick: Settings) -> None:
    host.say("/images", cards("2020/07/4622-Image"))
    gallery = site(host, quick)
    assert gallery.ask(gallery.page("images", 1)).more
    assert gallery.ask(gallery.page("images", 1)).products[0].image_type == "Observations"
    (asked, _) = host.asked("/images")
    assert asked == "/images?page=1&itemsPerPage=100&Type=Observations"
    assert len(host.log) == 3  # and robots.txt


def test_an_older_site_is_found_and_its_list_goes_on_there(
    host: FakeHost, quick: Settings, engine: Engine, blobs: BlobStore
) -> None:
    host.say("/images/gallery/page/1", rows("/image/1/gallery"))
    host.say("/images/gallery/page/2", rows("/image/2/gallery"))
    for number in (1, 2):
        host.say(f"/image/{number}/gallery", old_detail((f"/f/a{number}.jpg", "JPEG"), ("/f/b.pdf", "PDF")))
        host.say(f"/f/a{number}.jpg", picture(number))
    _, first = crawl_gallery(site(host, quick), engine=engine, blobs=blobs, settings=quick, limit=1)
    assert first.progress.got == 1
    # a new run knows page 1 from the ledger only
    plan, second = crawl_gallery(site(host, quick), engine=engine, blobs=blobs, settings=quick)
    assert (second.progress.got, second.progress.skipped, second.errors) == (1, 1, ())
    assert [e.line.product_id for e in planned_products(plan, engine=engine)] == [
        "hubblesite:1-Image",
        "hubblesite:2-Image",
    ]


def test_the_end_of_a_list(host: FakeHost, quick: Settings) -> None:
    def script(path: str, query: dict[str, list[str]]) -> Answer:
        return Answer(cards(*(f"{n}-Image" for n in range(3))) if query["page"] == ["1"] else cards())

    host.script("/images", script)
    gallery = site(host, quick)
    assert gallery.ask(gallery.page("images", 1)).more
    assert gallery.ask(gallery.page("images", 2)).more is False


def test_an_end_that_no_one_has_seen(host: FakeHost, quick: Settings) -> None:
    hasty = quick.model_copy(update={"attempts": 2})
    host.script(
        "/images", lambda path, query: Answer(cards("1-Image") if query["page"] == ["1"] else b"<html>-</html>")
    )
    gallery = site(host, hasty, era="2023")
    assert gallery.ask(gallery.page("images", 1)).more
    assert gallery.ask(gallery.page("images", 2)).more is False, "the same odd page every time is how this site ends"


def test_facets(host: FakeHost, quick: Settings) -> None:
    host.script("/images", lambda path, query: Answer(cards("1-Image")))
    for query, asked in (
        ({"category": "105-galaxies"}, "Type=Observations&Topic=105-galaxies"),
        ({"category": "Spiral Galaxies", "type": None}, "Tag=Spiral+Galaxies"),
        ({"collection": "Hubble Heritage"}, "Type=Observations&Collection=Hubble+Heritage"),
    ):
        gallery = site(host, quick, **query)
        gallery.ask(gallery.page("images", 1))
        assert sorted(host.log[-1].split("&")[2:]) == sorted(asked.split("&"))
    host.say("/images/gallery/46-comets/page/1", rows("/image/5/gallery/46-comets"))
    gallery = site(host, quick, era="2017", category="46-comets")
    assert gallery.ask(gallery.page("46-comets", 1)).products[0].source_name == "5-Image"


API_PICTURE = {
    "name": "Grappling Hubble (2009) ",
    "credits": 'Credit: <a href="http://www.nasa.gov">NASA</a>',
    "news_name": "2018-43",
    "image_files": [
        {"file_url": "//imgsrc.hubblesite.org/9/a-title.pdf", "file_size": 4551893, "width": 792, "height": 612},
        {"file_url": "https://media.stsci.edu/9/a-3070x2036.jpg", "file_size": 3963387, "width": 3070, "height": 2036},
        {"file_url": "https://media.stsci.edu/9/a-3000x2400.jpg", "file_size": 1235602, "width": 3000, "height": 2400},
        {"file_url": "https://media.stsci.edu/9/a.tif", "file_size": 18797484, "width": 3070, "height": 2036},
    ],
}


def test_the_api(host: FakeHost, quick: Settings) -> None:
    def listed(path: str, query: dict[str, list[str]]) -> Answer:
        return Answer(
            json.dumps([{"id": 7, "name": "A "}, {"name": "no id"}, 3] if query["page"] == ["1"] else []).encode()
        )

    host.script("/api/v3/images", listed)
    host.say("/api/v3/image/7", json.dumps(API_PICTURE).encode())
    gallery = site(host, quick)
    (one,) = [found for found in look_through(gallery) if isinstance(found, Product)]
    assert (one.source_name, one.obs_title, one.credit) == ("7-Image", "Grappling Hubble (2009)", "NASA")
    assert (one.release_id, one.access_url) == ("opo1843", f"{host.url}/9/a-3000x2400.jpg")
    host._answers["/api/v3/image/7"] = [Answer(b"{}")]
    with pytest.raises(HttpError, match="says nothing of 7-Image"):
        gallery.describe(replace(one, access_url=f"{host.url}/api/v3/image/7"))


def test_used_wrongly(quick: Settings) -> None:
    with pytest.raises(UsageError, match="no era '1999': choose from auto"):
        open_hubblesite(quick, LIMITS, HubbleSiteQuery(era="1999"))  # type: ignore[arg-type]


@profile(max_examples=100, deadline=None)
@given(broken(detail()))
def test_a_damaged_page_is_read_or_refused(body: bytes) -> None:
    try:
        page = read_picture(body, PRODUCT, any_link=True)
    except HttpError as error:
        assert error.reason == "not_a_page"
    else:
        json.dumps(page.product.record()).encode()
        in_order(page.versions, LIMITS)


@profile(max_examples=80, deadline=None)
@given(broken(cards("2020/07/4622-Image", "4618-Image") + rows("/image/3999/gallery")))
def test_a_damaged_list_is_read_or_refused(body: bytes) -> None:
    try:
        found = read_cards(body, "The list", "HubbleSite", "hubblesite")
    except HttpError as error:
        assert error.reason in ("not_a_list", "not_a_page", "changed")
    else:
        assert all(one.product_id.startswith("hubblesite:") for one in found)


@pytest.mark.shared
@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded replies are not here")
class TestRecorded:
    def test_a_page_of_2022(self) -> None:
        (path,) = (RECORDED / "hubblesite").glob("2022_054*")
        page = read_picture(path.read_bytes(), PRODUCT)
        assert (page.product.target_name, page.product.release_id) == ("Abell 370", "opo2254")
        assert (page.product.s_ra, page.product.s_dec) == pytest.approx((39.980375, -1.564306), abs=1e-5)
        assert page.product.credit and "Frontier Fields" in page.product.credit
        assert in_order(page.versions, LIMITS)[0].url == "//stsci-opo.org/STScI-01GGT9SNKSM5RZGA5G7RP34XCV.png"
        # September 2009 to February 2015
        assert (page.product.t_min, page.product.t_max) == (55075.0, 57082.0)
        assert page.product.aliases == "esahubble:opo2254,heritage:2022/54,stsci:2022-54"

    def test_a_page_of_2023(self) -> None:
        page = read_picture((RECORDED / "hubblesite" / "2020_07_4622-Image.htm").read_bytes(), PRODUCT)
        assert page.product.credit == "NASA and L. Hustak (STScI)"
        assert page.product.obs_release_date == "2020-01-24T00:00:00Z"
        assert [(v.width, v.height, v.size_bytes) for v in in_order(page.versions, LIMITS)] == [
            (3840, 2160, 4.98e6),
            (2000, 1125, 993_390.0),
        ]

    def test_the_api(self, host: FakeHost, quick: Settings) -> None:
        api = RECORDED / "hubblesite_api_v3"
        host.say("/api/v3/images", (api / "images_spacecraft_page1.json").read_bytes())
        host.say("/api/v3/image/3811", (api / "image_3811.json").read_bytes())
        gallery = site(host, quick, era="api")
        found = {one.source_name: one for one in gallery.ask(gallery.page("images", 1)).products}
        assert len(found) == 25
        best = gallery.describe(found["3811-Image"]).choices[0]
        assert best.access_url.endswith("/29278/STScI-H-spacecraft27-title-3000x2400.jpg")
        assert (best.credit, best.access_estsize) == ("NASA", 1235.602)

    def test_any_damage(self) -> None:
        whole = next((RECORDED / "hubblesite").glob("2022_054*")).read_bytes()

        @profile(max_examples=20, deadline=None)
        @given(broken(whole[whole.index(b"resource-gallery-detail") - 500 :]))
        def damaged(body: bytes) -> None:
            try:
                read_picture(body, PRODUCT)
            except HttpError as error:
                assert error.reason == "not_a_page"

        damaged()
