"""`colorize --like` and `--palette`: whose colours a picture gets."""

import json

import numpy as np
import pytest
import torch
from astropy.io import fits
from PIL import Image

from manifests.errors import UsageError
from models.color import rgb_to_lab
from training.loop import train
from training.pack import FrameInfo, open_pack
from training.pack_write import write_pack
from training.recipes import make_config
from training.registry import promote, register

TINY = [
    *("generator.width=4", "generator.depth=1", "generator.context=1", "discriminator.width=4", "data.crop_px=64"),
    *("pretrain.steps=1", "adversarial.steps=0", "data.batch=2", "held_out_frames=1", "data.frame_px=96"),
]
TINTS = {"warm": (1.0, 0.6, 0.3), "cold": (0.3, 0.6, 1.0)}


def tinted(tint, side=96):
    glow = np.add.outer(np.linspace(20, 120, side), np.linspace(0, 120, side))
    return (glow[..., None] * np.array(tint)).astype(np.uint8)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A data folder with a guided colouriser that has taken one step and knows warm and cold pictures."""
    home = tmp_path_factory.mktemp("home")

    def frames():
        for number, (split, tint) in enumerate([("train", "warm"), ("train", "cold"), ("val", "warm")]):
            info = FrameInfo(f"{number:064x}", split, str(number), f"frame {number}", True, True, "")
            yield info, tinted(TINTS[tint]), np.ones((96, 96), bool)

    pack = open_pack(write_pack(home / "pack", frames(), snapshot_id="test", max_side_px=96))
    train(make_config("colorizer", "default_colorizer", None, TINY), pack, home / "runs" / "colour")
    promote(home / "models", "colorizer", register(home / "runs" / "colour", home / "models", "colorizer"))
    return home


@pytest.fixture
def plate(tmp_path):
    path = tmp_path / "plate.png"
    Image.fromarray(tinted((1, 1, 1))[..., 0]).save(path)
    return path


def mean_b(path):
    rgb = torch.from_numpy(np.asarray(Image.open(path).convert("RGB")).copy()).permute(2, 0, 1).float() / 255
    return float(rgb_to_lab(rgb)[2].mean())


@pytest.mark.parametrize("tint", TINTS)
def test_a_picture_takes_after_its_reference(run, plate, tmp_path, tint):
    reference, out = tmp_path / "reference.png", tmp_path / "out.png"
    Image.fromarray(tinted(TINTS[tint], 120)).save(reference)
    run("colorize", plate, "-o", out, "--like", reference)
    assert mean_b(out) * (1 if tint == "warm" else -1) > 10
    step = json.loads(Image.open(out).text["Comment"])["deepfield"][0]
    assert step["palette"].startswith("like ")


def test_presets_are_listed_shown_and_painted(run, plate, tmp_path):
    said = run("models", "palettes", "colorizer", "-o", tmp_path / "sheet.png").splitlines()
    names = [line for line in said if not line.startswith("drawn in")]
    assert names[-1] == "hubble"
    assert len(names) == 3
    assert Image.open(tmp_path / "sheet.png").width > 500
    for name in names:
        out = tmp_path / f"{name}.png"
        run("colorize", plate, "-o", out, "--palette", name)
        assert json.loads(Image.open(out).text["Comment"])["deepfield"][0]["palette"] == name
    assert len({round(mean_b(tmp_path / f"{name}.png")) for name in names}) == 3


@pytest.mark.parametrize(
    ("filter_", "options", "palette"),
    [("F657N", [], "hubble"), ("F814W", [], None), ("F657N", ["--palette", "automatic"], None)],
)
def test_a_narrow_band_gets_the_hubble_palette_and_it_is_said(run, tmp_path, filter_, options, palette):
    # what counts is what the file is, not what it is called
    plate, out = tmp_path / "plate.dat", tmp_path / "out.png"
    counts = np.random.default_rng(0).normal(10, 3, (80, 90)).astype(np.float32)
    fits.PrimaryHDU(counts, fits.Header({"FILTER": filter_})).writeto(plate)
    said = run("colorize", plate, "-o", out, *options)
    assert json.loads(Image.open(out).text["Comment"])["deepfield"][0]["palette"] == palette
    assert (f"{plate} was taken through F657N: narrow bands are coloured by the palette hubble" in said) == bool(
        palette
    )
    assert ("unless --palette automatic leaves the colours to the network." in said) == bool(palette)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--palette", "mauve"), "no palette 'mauve'.*hubble, automatic"),
        (("--palette", "hubble", "--like", "plate.png"), "one of them"),
        (("--like", "plate.png"), "no colours"),
    ],
)
def test_what_cannot_guide_is_one_sentence(run, plate, tmp_path, monkeypatch, options, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=sentence):
        run("colorize", plate, "-o", tmp_path / "out.png", *options)
    assert not (tmp_path / "out.png").exists()
