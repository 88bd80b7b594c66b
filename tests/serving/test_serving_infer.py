"""Whole pictures through a network in bands: no seam, lightness stays, no-data is not painted, light is kept."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.resize import shrink
from models.catalogue import build
from models.color import rgb_to_lightness
from models.memory import bytes_per_pixel
from models.srresnet import SRResNetConfig
from models.unet import UNetConfig
from serving import infer
from serving.bands import Shrinking, blocks, in_memory, joined, spooled


def seeded(config):
    torch.manual_seed(0)
    network = build(config).eval().requires_grad_(False)
    for parameter in network.parameters():
        # fresh networks are nearly gray: make what they do visible
        torch.nn.init.normal_(parameter, std=0.15)
    return network


COLOUR = seeded(UNetConfig(width=4, depth=2, max_width=8))
LARGER = seeded(SRResNetConfig(scale=2, width=4, blocks=2, end_kernel=3))


def picture(height, width, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def quiet():
    """Called per tile."""


def whole(bands):
    """All bands of a picture joined, and their masks."""
    rgb, valid = joined(bands), np.concatenate([valid for _, valid in bands.read()])
    assert rgb.shape == (bands.height, bands.width, 3)
    return rgb, valid


def coloured(rgb, valid, work_px=4096, tile_px=4096):
    small = Shrinking(*valid.shape, work_px)
    small.add((rgb, valid))
    few, few_valid = small.result()
    ab = infer.colours(COLOUR, few, few_valid, tile_px=tile_px, on_tile=quiet)
    return whole(infer.painted(in_memory(rgb, valid), ab, few_valid))[0]


def enlarged(rgb, valid, tile_px=64, **options):
    return whole(infer.enlarged(LARGER, rgb, valid, tile_px=tile_px, on_tile=quiet, **options))


@settings(max_examples=15, deadline=None)
@given(height=st.integers(64, 150), width=st.integers(64, 150), tile=st.integers(16, 90))
def test_tiles_join_without_a_seam(height, width, tile):
    rgb = picture(height, width)
    valid = np.ones((height, width), bool)
    assert np.abs(coloured(rgb, valid).astype(int) - coloured(rgb, valid, tile_px=tile)).max() <= 1
    at_once, in_tiles = (enlarged(rgb, valid, tile_px=side)[0] for side in (4096, tile))
    assert at_once.shape == (2 * height, 2 * width, 3)
    assert np.abs(at_once.astype(int) - in_tiles).max() <= 1


@pytest.mark.parametrize("work_px", [64, 4096])
def test_lightness_is_the_inputs_and_no_data_is_left_alone(work_px):
    rgb = picture(130, 170, seed=1)
    valid = np.ones((130, 170), bool)
    valid[:40, :60] = False
    rgb[~valid] = 255
    out = coloured(rgb, valid, work_px)
    before, after = (rgb_to_lightness(torch.from_numpy(p.transpose(2, 0, 1).copy()).float() / 255) for p in (rgb, out))
    assert (before - after).abs().max() < 1.0, "8 bits round L* by less than one unit"
    assert (out[~valid] == 255).all()
    assert np.ptp(out[valid].astype(int), axis=1).max() > 5, "nothing was coloured"


def test_colours_beside_no_data_do_not_fade():
    rgb = np.full((256, 256, 3), 128, np.uint8)
    valid = np.ones((256, 256), bool)
    valid[:, 128:] = False
    ab = np.zeros((2, 64, 64), np.float32)
    ab[:, :, :32] = 30.0
    out, _ = whole(infer.painted(in_memory(rgb, valid), ab, valid[::4, ::4]))
    assert np.abs(out[:, 127].astype(int) - out[:, 60]).max() <= 1


def test_no_data_is_repeated_when_enlarged():
    rgb = picture(80, 64)
    valid = np.ones((80, 64), bool)
    valid[:20] = False
    rgb[~valid] = 255
    out, out_valid = enlarged(rgb, valid)
    assert (out[:40] == 255).all()
    assert (out_valid == valid.repeat(2, axis=0).repeat(2, axis=1)).all()


def test_a_consistent_result_has_the_light_of_its_input():
    rgb = picture(90, 70, seed=3)
    valid = np.ones((90, 70), bool)

    def means(out):
        return out.astype(float).reshape(90, 2, 70, 2, 3).mean(axis=(1, 3))

    plain, kept = (enlarged(rgb, valid, consistent=flag)[0] for flag in (False, True))
    assert np.abs(means(plain) - rgb).max() > 5
    assert np.abs(means(kept) - rgb).max() <= 0.5, "each of the four is rounded by at most half a level"


@settings(max_examples=20, deadline=None)
@given(height=st.integers(64, 200), width=st.integers(64, 200), most=st.integers(16, 220), cut=st.integers(1, 63))
def test_a_picture_shrunk_in_bands_is_the_one_shrunk_whole(height, width, most, cut):
    rgb = picture(height, width, seed=height)
    valid = np.add.outer(np.arange(height), np.arange(width)) > 50
    shrinking = Shrinking(height, width, most)
    shrinking.add((rgb[:cut], valid[:cut]))
    shrinking.add((rgb[cut:], valid[cut:]))
    (ours, ours_valid), (theirs, theirs_valid) = shrinking.result(), shrink(rgb, valid, most)
    assert np.abs(ours.astype(int) - theirs)[theirs_valid].max(initial=0) <= 1
    # a pixel of which half has data may fall on either side by rounding
    assert (ours_valid != theirs_valid).mean() < 0.01


@settings(max_examples=20, deadline=None)
@given(heights=st.lists(st.integers(1, 40), min_size=1, max_size=6), rows=st.integers(1, 50))
def test_blocks_are_the_rows_of_the_bands_in_order(heights, rows):
    rgb = picture(sum(heights), 3)
    ends = np.cumsum(heights)
    cut = [(rgb[end - height : end], None) for end, height in zip(ends, heights, strict=True)]
    got = list(blocks(iter(cut), rows))
    assert all(block.shape[0] == rows for block in got[:-1])
    assert (np.concatenate(got) == rgb).all()


def test_a_spooled_picture_can_be_read_again_and_leaves_nothing(tmp_path):
    rgb, valid = picture(500, 999), np.random.default_rng(0).random((500, 999)) > 0.3
    seen = []
    with spooled(in_memory(rgb, valid), tmp_path, lambda band: seen.append(band[0])) as again:
        for _ in range(2):
            back, back_valid = whole(again)
            assert (back == rgb).all()
            assert (back_valid == valid).all()
    assert (np.concatenate(seen) == rgb).all()
    assert list(tmp_path.iterdir()) == []


def test_the_tiles_counted_are_the_tiles_done():
    done = []
    rgb = picture(200, 150)
    bands = infer.enlarged(LARGER, rgb, np.ones((200, 150), bool), tile_px=64, on_tile=lambda: done.append(1))
    joined(bands)
    assert len(done) == infer.tile_count(LARGER, rgb.shape, 64) == 12


def test_a_tile_is_as_large_as_memory_allows():
    wide, narrow = (seeded(SRResNetConfig(scale=4, width=width, blocks=2)) for width in (64, 8))
    # the widest: four times 4 x 4 x 64 floats to each pixel, as PReLU's input and output and the convolution's
    assert 2 * 16 * 64 * 4 <= bytes_per_pixel(wide, 3) <= 4 * 16 * 64 * 4
    assert bytes_per_pixel(narrow, 3) < bytes_per_pixel(wide, 3) / 4
    assert 64 <= infer.tile_px_for(wide, 8000) < infer.tile_px_for(narrow, 8000) <= 1024
    assert infer.tile_px_for(narrow, 30_000) * 30_000 * 16 * 3 <= 128 * 2**20
