"""A folder of real pictures as an archive: bytes unchanged, one product each, positions marked as made up."""

import hashlib
import html
import io
import warnings
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import requests
from astropy.io.votable.exceptions import AstropyWarning
from astropy.table import Table
from PIL import Image

from manifests.errors import DeepfieldError, UsageError
from scrapers.replica.frames import TARGET, FrameFolder
from scrapers.replica.geometry import separation, unit
from scrapers.replica.server import serve
from scrapers.replica.sky import M101

SHARED = Path(__file__).parents[3] / "shared/frames"
WHOLE = "/cgi-bin/hlaSIAP.cgi?pos=210.80,54.35&size=1&imagetype=color&format=image/jpeg"


@pytest.fixture
def folder(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / "deep & dark").mkdir()
    for number, name in enumerate(
        ["a.jpg", "b.PNG", "c.tif", "deep & dark/a.jpg", "deep & dark/ué x.png", ".hidden.jpg"]
    ):
        picture = Image.fromarray(rng.integers(0, 255, (60 + number, 90, 3), np.uint8))
        picture.save(tmp_path / name, {".jpg": "JPEG", ".PNG": "PNG", ".png": "PNG", ".tif": "TIFF"}[Path(name).suffix])
    (tmp_path / "broken.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:40])
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "notes.csv").write_text("a,b")
    return tmp_path


def products(url: str, query: str = WHOLE) -> Table:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        reply = requests.get(url + query, timeout=30)
        return Table.read(io.BytesIO(reply.content), format="votable", verify="ignore")


def test_every_picture_is_a_product_and_its_bytes_are_its_own(folder):
    files = {path.read_bytes(): path for path in folder.rglob("*") if path.suffix in {".jpg", ".PNG", ".png", ".tif"}}
    expected = {data for data, path in files.items() if path.name not in {".hidden.jpg", "text.jpg"}}
    with serve(FrameFolder(folder)) as server:
        rows = products(server.url)
        replies = {str(row["Dataset"]): requests.get(html.unescape(row["URL"]), timeout=30) for row in rows}
        preview = requests.get(f"{server.url}/cgi-bin/preview.cgi?dataset=hst_frames_b&output_size=30", timeout=30)
        cut = requests.get(f"{server.url}/cgi-bin/fitscut.cgi?red=hst_frames_b&size=20", timeout=30)
        assert len(products(server.url, WHOLE.replace("jpeg", "fits"))) == 0
        assert len(products(server.url, WHOLE + "&inst=ACS")) == len(rows)
    assert {reply.content for reply in replies.values()} == expected
    assert set(replies) == {f"hst_frames_{stem}" for stem in ("a", "a-2", "b", "c", "ué x", "broken")}
    assert replies["hst_frames_b"].headers["Content-Type"] == "image/png"
    assert replies["hst_frames_c"].headers["Content-Type"] == "image/tiff"
    assert set(rows["Target"]) == {TARGET}
    assert all(TARGET in title for title in rows["Title"])
    assert Image.open(io.BytesIO(preview.content)).size == (30, 20)
    assert "<html>" in cut.text


def test_positions_follow_the_bytes_not_the_names(folder):
    def places() -> dict[str, tuple[float, float]]:
        archive = FrameFolder(folder)
        return {
            hashlib.sha256(archive.original(item.name).data).hexdigest(): (item.grid.ra, item.grid.dec)
            for item in archive.datasets
        }

    before = places()
    (folder / "c.tif").rename(folder / "0.tif")
    assert places() == before


def assert_apart(archive: FrameFolder) -> None:
    circles = [
        (unit(item.grid.ra, item.grid.dec), np.hypot(item.grid.nx, item.grid.ny) * item.grid.scale_deg / 2)
        for item in archive.datasets
    ]
    assert all(separation(centre, unit(*M101)) + radius < 1 for centre, radius in circles)
    centres, radii = np.array([c for c, _ in circles]), np.array([r for _, r in circles])
    for index, (centre, radius) in enumerate(circles[:-1]):
        chord = np.linalg.norm(centres[index + 1 :] - centre, axis=1)
        assert (np.degrees(chord) > radius + radii[index + 1 :]).all()


def test_footprints_never_overlap(tmp_path):
    for number in range(40):
        Image.new("RGB", (20 + number, 50 - number), (number, 0, 0)).save(tmp_path / f"{number}.png")
    archive = FrameFolder(tmp_path)
    assert len(archive.datasets) == 40
    assert len(list(combinations(archive.datasets, 2))) == 780
    assert_apart(archive)


def test_a_folder_without_pictures_is_one_sentence(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(DeepfieldError, match=r"^There is no JPEG, PNG or TIFF picture in .*\.$"):
        FrameFolder(tmp_path)
    with pytest.raises(UsageError, match="is no folder"):
        FrameFolder(tmp_path / "missing")


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="no real frames beside the checkout")
def test_the_real_frames_come_through_bit_for_bit():
    archive = FrameFolder(SHARED)
    pictures = [path for path in SHARED.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".tif", ".tiff"}]
    assert len(archive.datasets) == len(pictures)
    assert_apart(archive)
    sums = {hashlib.sha256(path.read_bytes()).hexdigest() for path in pictures}
    with serve(archive) as server:
        rows = products(server.url)
        assert len(rows) == len(pictures)
        with requests.Session() as session:
            got = {
                hashlib.sha256(session.get(html.unescape(u), timeout=30).content).hexdigest() for u in rows["URL"][::10]
            }
    assert got <= sums
    assert len(got) > 40
