import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapers.releases import names_elsewhere, picture_of, publisher_name, release_of_files, stsci_release
from scrapers.text import angle, date, markup, plain_text
from scrapers.versions import Limits, Version, in_order, stated_bytes, version_of

NO_LIMITS = Limits(sys.maxsize, sys.maxsize)
HREF = "//stsci-opo.org/STScI-01"


@pytest.mark.parametrize(
    ("href", "text", "expected"),
    [
        (f"{HREF}.png", "Full Res (For Display), 5210 X 2358, PNG (12.27\xa0MB)\xa0", ("PNG", 5210, 2358, 12.27e6)),
        (f"{HREF}.png", "2000x1125, 1999 X 1124, PNG (993.39 KB)", ("PNG", 1999, 1124, 993_390.0)),
        (f"{HREF}.tif", "Full Res, 3840 X 2160, TIF (23.74 MB)", ("TIFF", 3840, 2160, 23.74e6)),
        ("/a/STScI-H-craft27-3070x2036.jpg", "", ("JPEG", 3070, 2036, None)),
        ("/download/4", "JPEG", ("JPEG", None, None, None)),
        (f"{HREF}.pdf", "Extended Description, PDF (113.21 KB)", None),
        ("/caption.html", "JPEG caption", None),
        ("http://[", "PNG", ("PNG", None, None, None)),
    ],
)
def test_what_a_link_offers(href: str, text: str, expected: tuple[object, ...] | None) -> None:
    found = version_of(href, text)
    assert (found and (found.format, found.width, found.height, found.size_bytes)) == expected


def test_the_largest_by_stated_size_whatever_the_order() -> None:
    small = version_of("/a.png", "100 X 100, PNG (9 MB)")
    large = version_of("/b.jpg", "4000 X 3000, JPG (2 MB)")
    tiff = version_of("/c.tif", "4000 X 3000, TIF (30 MB)")
    crop = version_of("/d.png", "1024 X 361, PNG (1 MB)")
    offered = [v for v in (large, crop, tiff, small) if v]
    assert [v.url for v in in_order(offered, NO_LIMITS)] == ["/b.jpg", "/d.png", "/a.png"]
    assert in_order(offered, Limits(sys.maxsize, sys.maxsize, originals=True))[0].url == "/c.tif"
    assert [v.url for v in in_order(offered, Limits(1_500_000, sys.maxsize))] == ["/d.png"]
    assert [v.url for v in in_order(offered, Limits(sys.maxsize, 500_000))] == ["/d.png", "/a.png"]


def test_without_stated_pixels_names_and_lengths_decide() -> None:
    names = ("full_jpg", "thumb", "large_web", "web")
    known = [v for v in (version_of(f"/x/{name}.jpg", "JPEG") for name in names) if v]
    assert [v.url for v in in_order(known, NO_LIMITS)] == [
        f"/x/{n}.jpg" for n in ("full_jpg", "large_web", "web", "thumb")
    ]
    by_length = [
        Version("/1", "JPEG", size_bytes=5e6),
        Version("/2", "JPEG", size_bytes=7e6),
        Version("/3", "PNG", size_bytes=1e6),
    ]
    assert [v.url for v in in_order(by_length, NO_LIMITS)] == ["/2", "/1", "/3"]


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("", "Unannotated, "),
        ("", "Uannoatated, "),
        ("Annotated Full Res, ", "Full Res, "),
        ("Full Res with Compass, ", ""),
        ("Compass and Scale, ", "Textless, "),
        ("Labeled, ", "Unlabeled, "),
        ("Full Res (Text, For Display), ", "Full Res (No Text), "),
    ],
)
def test_of_twins_the_one_without_annotations_even_where_it_is_smaller(dirty: str, clean: str) -> None:
    twins = [
        version_of("/a.png", f"{dirty}4000 X 1810, PNG (9.35 MB)"),
        version_of("/b.png", f"{clean}2000 X 905, PNG (2.25 MB)"),
        version_of("/c.tif", f"{dirty}4000 X 1810, TIF (20 MB)"),
    ]
    assert in_order([v for v in twins if v], NO_LIMITS)[0].url == "/b.png"
    with_originals = Limits(sys.maxsize, sys.maxsize, originals=True)
    assert in_order([v for v in twins if v], with_originals)[0].url == "/b.png"


def test_lengths() -> None:
    assert stated_bytes("38.8 MB checksum") == 38.8e6
    assert stated_bytes("275.7 KB") == 275_700.0
    assert stated_bytes("512 bytes") == 512.0
    assert stated_bytes("1280x1024") is None


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("2003-28", "opo0328"),
        ("/2003/28/index.html", "opo0328"),
        ("STScI-PRC1999-41a", "opo9941"),
        ("/contents/news-releases/2022/news-2022-054", "opo2254"),
        ("/contents/media/images/2020/07/4622-Image", "opo2007"),
        ("4622-Image", None),
        ("1889-12", None),
        ("2003-00", None),
        ("J1823.1+7822", None),
    ],
)
def test_releases_of_stsci_and_heritage(text: str, release: str | None) -> None:
    assert stsci_release(text) == release


def test_what_publishers_call_them() -> None:
    assert publisher_name("opo0328a") == "STScI-PRC2003-28a"
    assert publisher_name("opo9941") == "STScI-PRC1999-41"
    assert publisher_name("potw2319a") == "potw2319a"
    assert publisher_name("no release") is None


@pytest.mark.parametrize(
    ("name", "archive", "names"),
    [
        ("opo0328a", "esahubble", "heritage:2003/28,stsci:2003-28-a"),
        ("opo0328", "heritage", "esahubble:opo0328,stsci:2003-28"),
        ("opo2254", "hubblesite", "esahubble:opo2254,heritage:2022/54,stsci:2022-54"),
        ("heic0506a", "esahubble", None),
        ("potw2319a", "esahubble", None),
        ("4622-Image", "hubblesite", None),
    ],
)
def test_what_other_sites_call_them(name: str, archive: str, names: str | None) -> None:
    assert names_elsewhere(name, archive) == names


@pytest.mark.parametrize(
    ("release", "files", "picture"),
    [
        ("opo1843", ("STScI-H-p1843a-2000x1000.png", "text.pdf"), "opo1843a"),
        ("opo0328", ("hs-2003-28-b-full_jpg.jpg", "hs-2003-28-b-web.jpg"), "opo0328b"),
        ("opo0714", ("p0714aa.jpg", "p0714aw.jpg"), "opo0714a"),
        ("opo0714", ("p0714a.jpg", "p0714b.jpg"), "opo0714"),
        ("opo0714", ("full_jpg.jpg",), "opo0714"),
        ("stsci:4622-Image", ("p0714a.jpg",), "stsci:4622-Image"),
    ],
)
def test_files_may_tell_the_letter_of_a_picture(release: str, files: tuple[str, ...], picture: str) -> None:
    assert picture_of(release, files) == picture


@pytest.mark.parametrize(
    ("files", "release"),
    [
        (("STScI-H-p1843a-2000x1000.png", "STScI-H-p1843a-4000x2000.png", "full_jpg.jpg"), "opo1843"),
        (("p0714aw.jpg",), "opo0714"),
        (("hs-2003-28-b-web.jpg",), "opo0328"),
        (("p0714aa.jpg", "p0715aa.jpg"), None),
        (("STScI-01GGT9R6NXMYV39JGQF1TCH3V8.png", "STScI-H-spacecraft27-title.pdf", "poster1.jpg"), None),
    ],
)
def test_files_may_tell_the_release(files: tuple[str, ...], release: str | None) -> None:
    assert release_of_files(files) == release


@given(st.integers(1990, 2089), st.integers(1, 99))
def test_releases_go_there_and_back(year: int, number: int) -> None:
    release = stsci_release(f"{year}-{number:02d}")
    assert release is not None
    assert publisher_name(release) == f"STScI-PRC{year}-{number:02d}"


@pytest.mark.parametrize(
    ("text", "hours", "degrees"),
    [
        ("18 23 22.20", True, 275.8425),
        ("78&deg 23' 11.27\"", False, 78.386464),
        ("02:39:55.29", True, 39.980375),
        ("-01:33:51.50", False, -1.564306),
        ("12h21m49.4s", True, 185.455833),
        ("-67:42:05.62", False, -67.701561),
        ("\N{MINUS SIGN}0 30 60.00", False, -0.516667),
        ("12h 37m 48s.5", True, 189.452083),
        ("12h 21.8m", True, 185.45),
        ("13:29:53", True, 202.470833),
        ("-00:30:12.3", False, -0.503417),
        ("-0\u00b0 30\u2032 12\u2033", False, -0.503333),
        ("\N{EN DASH}11d 37m 23s", False, -11.623056),
        ("+41deg 16' 9\"", False, 41.269167),
        ("95:00:00", False, None),
        ("10 75 00", False, None),
        ("unknown", True, None),
    ],
)
def test_angles(text: str, hours: bool, degrees: float | None) -> None:
    found = angle(text, hours=hours)
    assert found is None if degrees is None else found is not None and math.isclose(found, degrees, abs_tol=1e-6)


def test_dates() -> None:
    assert date("8 May 2023, 06:00") == "2023-05-08T00:00:00Z"
    assert date("November 09, 2022 11:00AM (EST)") == "2022-11-09T00:00:00Z"
    assert date("31 February 2020") is None
    assert date("some 5 things 2020") is None


@given(st.text())
def test_text_is_clean_whatever_comes(text: str) -> None:
    clean = plain_text(text)
    assert clean == clean.strip() and clean.isprintable() | bool(set(clean) & set(text))
    clean.encode()
    angle(text, hours=True), date(text), stated_bytes(text), stsci_release(text)


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (b'<meta charset="utf-8">', "é".encode()),
        (b"<meta charset=ISO-8859-1>", b"\xe9"),
        (b'<?xml version="1.0" encoding="latin-1"?>', b"\xe9"),
        (b'<meta charset=\x00"utf-8">', "é".encode()),
        (b'<meta charset="no-such"><meta charset=\x00>', "é".encode()),
        (b"<meta charset=hex>", "é".encode()),
        (b"", "é".encode()),
    ],
)
def test_pages_are_read_by_the_encoding_they_tell_however_damaged_its_name(head: bytes, text: bytes) -> None:
    assert markup(head + b"<html><p>caf" + text + b"</p></html>", "A page").get_text().strip() == "café"
