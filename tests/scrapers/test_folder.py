import gzip
import io
import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from fake_archive import picture
from PIL import Image
from pyavm import AVM
from sqlalchemy import Engine

from manifests.blobs import BlobStore
from manifests.errors import DeepfieldError, UsageError
from manifests.footprints import parse_region
from manifests.settings import Settings
from scrapers import ledger
from scrapers.fitsheader import read_header
from scrapers.folder import scrape_folder
from scrapers.ledger import Entry
from scrapers.products import Tile
from scrapers.sky import separation
from scrapers.tally import CrawlSummary

SHARED = Path(__file__).parents[3] / "shared" / "frames"


def fits_bytes(**cards: object) -> bytes:
    image = fits.PrimaryHDU(np.arange(120 * 100, dtype=np.float32).reshape(100, 120))
    for name, value in cards.items():
        image.header[name] = value
    out = io.BytesIO()
    image.writeto(out)
    return out.getvalue()


WCS = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 359.99,
    "CRVAL2": -30.0,
    "CRPIX1": 60.5,
    "CRPIX2": 50.5,
    "CD1_1": -1e-4,
    "CD1_2": 0.0,
    "CD2_1": 0.0,
    "CD2_2": 1e-4,
}
HST = {"TELESCOP": "HST", "INSTRUME": "ACS", "DETECTOR": "WFC", "FILTER1": "CLEAR1L", "FILTER2": "F814W"} | {
    "TARGNAME": "ABELL-2744",
    "EXPTIME": 2400.0,
    "EXPSTART": 56529.1,
    "EXPEND": 56529.2,
    "ROOTNAME": "j8pu25fvq",
}


def tagged(name: str, ra: float, dec: float) -> bytes:
    """A JPEG of 400 x 300 px with AVM, as ESA/Hubble writes it for an original of 4000 x 3000."""
    avm = AVM()
    avm.Title, avm.Credit, avm.Type = f"Title of {name}", "ESA/Hubble & NASA", "Observation"
    avm.Spatial.CoordinateFrame, avm.Spatial.CoordsystemProjection = "ICRS", "TAN"
    avm.Spatial.ReferenceValue, avm.Spatial.ReferenceDimension = [ra, dec], [4000, 3000]
    avm.Spatial.ReferencePixel, avm.Spatial.Scale, avm.Spatial.Rotation = [2000.5, 1500.5], [-1e-5, 1e-5], 0.0
    segment = b"http://ns.adobe.com/xap/1.0/\0" + avm.to_xmp()
    plain = picture(3, (400, 300))
    return plain[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + plain[2:]


def test_pictures_from_outreach_sites_bring_their_positions(
    tmp_path: Path, engine: Engine, blobs: BlobStore, quick: Settings
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "opo0328a.jpg").write_bytes(tagged("opo0328a", 189.9976, -0.6231))
    summary = scrape_folder(folder, engine=engine, blobs=blobs, settings=quick)
    assert summary.progress.got == 1
    (line,) = ledger.scope(engine, [Tile("folder", str(folder.resolve()))])
    (entry,) = ledger.entries(engine, [line.product_id])
    told = entry.product
    assert (told.s_ra, told.s_dec) == pytest.approx((189.9976, -0.6231), abs=1e-6)
    assert (told.s_resolution, told.obs_title) == (pytest.approx(0.36, rel=1e-3), "Title of opo0328a")
    assert (told.credit, told.image_type, told.release_id) == ("ESA/Hubble & NASA", "Observation", "opo0328")
    assert len(parse_region(told.s_region)) == 1


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    return folder


def take(frames: Path, engine: Engine, blobs: BlobStore, quick: Settings) -> tuple[CrawlSummary, dict[str, Entry]]:
    summary = scrape_folder(frames, engine=engine, blobs=blobs, settings=quick)
    lines = ledger.scope(engine, [Tile("folder", str(frames.resolve()))])
    entries = ledger.entries(engine, [line.product_id for line in lines])
    return summary, {entry.product.product_id.split("#")[0]: entry for entry in entries}


def test_frames_come_in_by_their_bytes(frames: Path, engine: Engine, blobs: BlobStore, quick: Settings) -> None:
    (frames / "deep" / "er").mkdir(parents=True)
    Image.new("RGB", (64, 64), (9, 8, 7)).save(frames / "deep" / "same.png")
    (frames / "deep" / "er" / "same.png").write_bytes(picture(1))  # a JPEG by its bytes
    (frames / "no_suffix").write_bytes(picture(2))
    (frames / "one.fits.gz").write_bytes(gzip.compress(fits_bytes(**WCS, **HST)))
    (frames / "notes.txt").write_text("not a picture")
    (frames / "archive.gz").write_bytes(gzip.compress(b"not a picture either"))
    (frames / ".hidden.jpg").write_bytes(picture(3))
    summary, entries = take(frames, engine, blobs, quick)
    assert (summary.progress.found, summary.progress.got) == (4, 4)
    assert set(entries) == {
        "folder:deep/er/same.png",
        "folder:deep/same.png",
        "folder:no_suffix",
        "folder:one.fits.gz",
    }
    jpeg = entries["folder:deep/er/same.png"]
    assert jpeg.product.source_name == "same.png" and jpeg.product.access_format == "image/jpeg"
    assert jpeg.product.access_url == (frames / "deep" / "er" / "same.png").as_uri()
    assert jpeg.line.sha256 is not None and blobs.read(jpeg.line.sha256) == picture(1)
    again, _ = take(frames, engine, blobs, quick)
    assert (again.progress.got, again.progress.skipped) == (0, 4)


def test_new_and_changed_files_are_taken_in_and_nothing_is_lost(
    frames: Path, engine: Engine, blobs: BlobStore, quick: Settings
) -> None:
    other = frames.parent / "other"
    other.mkdir()
    (frames / "a.jpg").write_bytes(picture(1))
    (other / "a.jpg").write_bytes(picture(2))
    take(frames, engine, blobs, quick)
    assert take(other, engine, blobs, quick)[0].progress.got == 1
    (frames / "a.jpg").write_bytes(picture(3))
    assert take(frames, engine, blobs, quick)[0].progress.got == 1
    assert len(list(blobs)) == 3


def test_corrupt_pictures_are_refused_with_a_reason(
    frames: Path, engine: Engine, blobs: BlobStore, quick: Settings
) -> None:
    (frames / "good.jpg").write_bytes(picture(1))
    (frames / "cut.jpg").write_bytes(picture(2)[:3000])
    (frames / "page.jpg").write_bytes(b"<html>404</html>")
    (frames / "empty.fits").write_bytes(b"")
    (frames / "huge.jpg").write_bytes(picture(3, (900, 900)))
    small = quick.model_copy(update={"max_pixels": 500_000})
    summary, entries = take(frames, engine, blobs, small)
    assert (summary.progress.got, summary.progress.refused) == (1, 4)
    assert summary.reasons == {"corrupt": 1, "not_a_picture": 2, "too_large": 1}
    assert entries["folder:cut.jpg"].line.status == "refused"
    assert any("cut.jpg" in error.text for error in ledger.last_errors(engine, 9))
    assert len(list(blobs)) == 1


def test_what_cannot_be_used_at_all_is_one_sentence(
    frames: Path, engine: Engine, blobs: BlobStore, quick: Settings
) -> None:
    with pytest.raises(DeepfieldError, match="holds no JPEG, PNG, TIFF or FITS"):
        take(frames, engine, blobs, quick)
    (frames / "cut.jpg").write_bytes(picture(2)[:3000])
    for _ in range(2):
        with pytest.raises(DeepfieldError, match=r"None of the 1 pictures.*cut\.jpg"):
            take(frames, engine, blobs, quick)
    with pytest.raises(UsageError, match="no folder"):
        take(frames / "nowhere", engine, blobs, quick)


def test_links_in_a_circle_and_our_own_data_are_left_out(
    tmp_path: Path, engine: Engine, blobs: BlobStore, quick: Settings
) -> None:
    (tmp_path / "a.jpg").write_bytes(picture(1))
    (tmp_path / "round").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "b.jpg").symlink_to(tmp_path / "a.jpg")
    home = tmp_path / "home"
    own = BlobStore(home / "blobs")
    own.put(picture(2))
    settings = quick.model_copy(update={"home": home})
    summary = scrape_folder(tmp_path, engine=engine, blobs=own, settings=settings)
    assert summary.progress.found == 2


def test_names_that_are_no_text(frames: Path, engine: Engine, blobs: BlobStore, quick: Settings) -> None:
    path = os.fsencode(frames) + b"/caf\xe9 \xf0.jpg"
    with open(path, "wb") as handle:  # noqa: PTH123  # a name that pathlib would have to decode
        handle.write(picture(1))
    (frames / ("long" * 60 + ".jpg")).write_bytes(picture(2))
    summary, entries = take(frames, engine, blobs, quick)
    assert summary.progress.got == 2
    assert all(len(entry.product.product_id) <= 255 for entry in entries.values())


def test_releases_of_esa_hubble_are_recognised(frames: Path, engine: Engine, blobs: BlobStore, quick: Settings) -> None:
    for number, name in enumerate(("heic0206g__9ac5.jpg", "opo9738c10.jpg", "potw1720b.jpg", "m101.jpg")):
        (frames / name).write_bytes(picture(number))
    _, entries = take(frames, engine, blobs, quick)
    releases = {name: entry.product.release_id for name, entry in entries.items()}
    assert releases == {
        "folder:heic0206g__9ac5.jpg": "heic0206",
        "folder:opo9738c10.jpg": "opo9738",
        "folder:potw1720b.jpg": "potw1720",
        "folder:m101.jpg": "folder:m101.jpg",
    }


def test_fits_headers_become_obscore() -> None:
    found = read_header(fits_bytes(**WCS, **HST))
    assert found["instrument_name"] == "ACS/WFC" and found["filters"] == "F814W"
    assert found["em_min"] < found["em_max"]
    assert (found["t_min"], found["t_max"], found["t_exptime"]) == (56529.1, 56529.2, 2400.0)
    assert (found["target_name"], found["facility_name"], found["obs_id"]) == ("ABELL-2744", "HST", "j8pu25fvq")
    assert separation(found["s_ra"], found["s_dec"], 359.99, -30.0) < 1e-6
    assert found["s_resolution"] == pytest.approx(0.36)
    assert found["s_fov"] == pytest.approx(0.012)
    corners = parse_region(found["s_region"])[0]
    assert len(corners) == 4
    assert max(separation(ra, dec, 359.99, -30.0) for ra, dec in corners) == pytest.approx(
        np.hypot(60, 50) * 1e-4, 1e-3
    )


def test_headers_that_say_little_or_nonsense() -> None:
    assert read_header(fits_bytes()) == {}
    assert read_header(fits_bytes(RA_TARG=-10.5, DEC_TARG=20.0, EXPTIME=-1.0)) == {"s_ra": 349.5, "s_dec": 20.0}
    galactic = dict(WCS, CTYPE1="GLON-TAN", CTYPE2="GLAT-TAN")
    assert "s_ra" not in read_header(fits_bytes(**galactic))
    assert "s_ra" not in read_header(fits_bytes(**dict(WCS, RADESYS="FK4")))
    assert "s_ra" not in read_header(fits_bytes(**dict(WCS, CD1_1=0.0, CD2_2=0.0)))
    assert read_header(b"SIMPLE  = nonsense") == {}


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="the real frames are not beside this checkout")
def test_real_fits_frames(engine: Engine, blobs: BlobStore, quick: Settings) -> None:
    summary, entries = take(SHARED / "fits", engine, blobs, quick)
    assert summary.progress.got == summary.progress.found == 21
    galaxy = entries["folder:petrofit__abell_2744_cd_galaxy_f105w.fits.gz"].product
    assert (galaxy.target_name, galaxy.instrument_name, galaxy.filters) == ("ABELL-2744", "WFC3/IR", "F105W")
    assert separation(galaxy.s_ra or 0.0, galaxy.s_dec or 0.0, 3.5863, -30.4) < 0.05
    same_field = [e.product.s_region for name, e in entries.items() if "pixSED__1_" in name and e.product.s_region]
    assert len(same_field) > 10 and len(set(same_field)) == 1
