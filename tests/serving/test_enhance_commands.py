"""`colorize`, `upscale` and `enhance` on files: formats, metadata, names, and what a user may do wrong."""

import io
import json

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from manifests.errors import DeepfieldError, UsageError
from tests_support import jpeg
from training.loop import train
from training.pack import FrameInfo, open_pack
from training.pack_write import write_pack
from training.recipes import make_config
from training.registry import promote, register

TINY = {
    "colorizer": ["generator.width=4", "generator.max_width=8", "discriminator.width=4", "data.crop_px=64"],
    "superres": ["generator.width=4", "generator.blocks=1", "discriminator.width=4", "data.crop_px=64"],
}
QUICK = [
    "pretrain.steps=1",
    "adversarial.steps=1",
    "discriminator_first=0",
    "data.batch=2",
    "held_out_frames=1",
    "data.frame_px=448",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A data folder with a colouriser and a super-resolution network that were trained for two steps."""
    home = tmp_path_factory.mktemp("home")
    rng = np.random.default_rng(0)

    def frames():
        for number, split in enumerate(["train", "train", "val"]):
            rgb = rng.integers(0, 255, (96, 96, 3), dtype=np.uint8)
            info = FrameInfo(f"{number:064x}", split, str(number), f"frame {number}", True, True, "")
            yield info, rgb, np.ones((96, 96), bool)

    pack = open_pack(write_pack(home / "pack", frames(), snapshot_id="test", max_side_px=448))
    for task, settings in TINY.items():
        run = home / "runs" / task
        train(make_config(task, None, None, [*settings, *QUICK]), pack, run)
        promote(home / "models", task, register(run, home / "models", task))
    return home


@pytest.fixture
def plate(tmp_path):
    path = tmp_path / "plate.jpg"
    gray = np.tile(np.linspace(0, 250, 120, dtype=np.uint8), (80, 1))
    out = io.BytesIO()
    exif = Image.Exif()
    exif[315], exif[33432] = "ESA/Hubble & NASA", "CC BY 4.0"
    Image.fromarray(gray).save(out, "JPEG", exif=exif)
    path.write_bytes(out.getvalue())
    return path


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_one_file_writes_exactly_the_name_given_and_says_what_was_done(run, plate, tmp_path, suffix):
    out = tmp_path / f"colour{suffix}"
    run("colorize", plate, "-o", out, "--strength", "0.5")
    with Image.open(out) as image:
        assert (image.size, image.mode) == ((120, 80), "RGB")
        exif = image.getexif()
        text = " ".join(str(v) for v in [*image.info.values(), *exif.values()])
        note = image.info["Comment"] if suffix == ".png" else exif[270][exif[270].index("{") :]
    assert "Not for photometry" in text
    assert "ESA/Hubble & NASA" in text
    assert "CC BY 4.0" in text
    step = json.loads(note)["deepfield"][0]
    assert step == {
        "task": "colorizer",
        "model": "colorizer@v1",
        "snapshot_id": "test",
        "strength": 0.5,
        "palette": None,
    }


def test_upscale_and_enhance_enlarge_four_times(run, plate, tmp_path):
    run("upscale", plate, "-o", tmp_path / "large.png", "--scale", "4")
    run("enhance", plate, "-o", tmp_path / "both.png")
    for name, steps in (("large.png", ["superres"]), ("both.png", ["superres", "colorizer"])):
        with Image.open(tmp_path / name) as image:
            assert image.size == (480, 320)
            assert [step["task"] for step in json.loads(image.info["Comment"])["deepfield"]] == steps


@pytest.mark.parametrize(
    ("options", "strengths"),
    [([], [0.0, 1.0]), (["--strength", "0.25"], [0.25, 0.25]), (["--strength", "0", "--colour", "0.5"], [0.0, 0.5])],
)
def test_one_strength_is_for_both_networks_and_each_may_have_its_own(run, plate, tmp_path, options, strengths):
    run("enhance", plate, "-o", tmp_path / "both.png", *options)
    with Image.open(tmp_path / "both.png") as image:
        assert [step["strength"] for step in json.loads(image.info["Comment"])["deepfield"]] == strengths


def test_an_exported_file_is_a_model_at_its_own_strength(run, plate, tmp_path):
    out = tmp_path / "mine.safetensors"
    run("models", "export", "superres", out, "--strength", "0.25")
    run("upscale", plate, "-o", tmp_path / "large.png", "--model", out, "--consistent")
    with Image.open(tmp_path / "large.png") as image:
        step = json.loads(image.info["Comment"])["deepfield"][0]
        small = np.asarray(image.convert("L").reduce(4), float)
    assert step == {
        "task": "superres",
        "model": "superres@v1",
        "snapshot_id": "test",
        "strength": 0.25,
        "palette": None,
    }
    with Image.open(plate) as image:
        assert np.abs(small - np.asarray(image, float)).max() <= 1.5, "the light of the input is kept"
    with pytest.raises(UsageError, match=r"exported at strength 0\.25"):
        run("upscale", plate, "-o", tmp_path / "x.png", "--model", out, "--strength", "1")


def test_several_files_go_into_a_folder_under_their_names(run, plate, tmp_path):
    counts = np.random.default_rng(1).normal(10, 3, (90, 70)).astype(np.float32)
    fits.PrimaryHDU(counts).writeto(tmp_path / "field.fits")
    Image.fromarray(np.random.default_rng(2).integers(0, 65535, (70, 70)).astype(np.uint16)).save(tmp_path / "deep.tif")
    printed = run("colorize", plate, tmp_path / "field.fits", tmp_path / "deep.tif", "-o", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["deep.tif", "field.png", "plate.jpg"]
    assert len(printed.split()) == 3
    with Image.open(tmp_path / "out" / "field.png") as image:
        assert image.size == (70, 90)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["colorize", "{plate}", "-o", "{plate}"], UsageError, "the input itself"),
        (["colorize", "{plate}", "-o", "{folder}/x.bmp"], UsageError, "should end in"),
        (["colorize", "{small}", "-o", "{folder}/x.png"], DeepfieldError, "at least 64x64"),
        (["colorize", "{cut}", "-o", "{folder}/x.png"], DeepfieldError, "cut short"),
        (["colorize", "{html}", "-o", "{folder}/x.png"], DeepfieldError, "HTML page"),
        (["colorize", "{folder}/none.jpg", "-o", "{folder}/x.png"], DeepfieldError, "is not a file"),
        (["colorize", "{plate}", "-o", "{folder}/x.png", "--model", "superres"], UsageError, "a superres model"),
        (["upscale", "{plate}", "-o", "{folder}/x.png", "--model", "colorizer"], UsageError, "a colorizer model"),
        (
            ["upscale", "{plate}", "-o", "{folder}/x.png", "--scale", "3"],
            UsageError,
            "enlarges 3 times; there are superres@v1",
        ),
        (["upscale", "{plate}", "-o", "{folder}/x.png", "--scale", "3", "--model", "superres"], UsageError, "not 3"),
        (["upscale", "{plate}", "-o", "{folder}/x.png", "--model", "nope"], UsageError, "no model 'nope'"),
        (["colorize", "{plate}", "{plate}", "-o", "{folder}/out"], UsageError, "same name"),
    ],
)
def test_what_a_user_may_do_wrong(run, plate, tmp_path, arguments, error, said):
    (tmp_path / "small.jpg").write_bytes(jpeg(np.zeros((63, 100, 3), np.uint8)))
    (tmp_path / "cut.jpg").write_bytes(plate.read_bytes()[:-300])
    (tmp_path / "page.jpg").write_bytes(b"<!DOCTYPE html><html></html>")
    names = {
        "plate": plate,
        "folder": tmp_path,
        "small": tmp_path / "small.jpg",
        "cut": tmp_path / "cut.jpg",
        "html": tmp_path / "page.jpg",
    }
    before = plate.read_bytes()
    with pytest.raises(error, match=said):
        run(*(argument.format(**names) for argument in arguments))
    assert plate.read_bytes() == before
    assert not (tmp_path / "x.png").exists()
    assert not (tmp_path / "out").exists()
