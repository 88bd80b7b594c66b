"""Whole pictures through a network: tiles leave no seam, lightness stays, no-data is not painted."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.catalogue import build
from models.color import rgb_to_lightness
from models.srresnet import SRResNetConfig
from models.unet import UNetConfig
from serving import infer


def seeded(config):
    torch.manual_seed(0)
    network = build(config).eval()
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


@settings(max_examples=15, deadline=None)
@given(height=st.integers(64, 150), width=st.integers(64, 150), tile=st.integers(16, 90))
def test_tiles_join_without_a_seam(height, width, tile):
    rgb = picture(height, width)
    valid = np.ones((height, width), bool)
    whole = infer.colorize(COLOUR, rgb, valid, work_px=4096, tile_px=4096, on_tile=quiet)
    tiled = infer.colorize(COLOUR, rgb, valid, work_px=4096, tile_px=tile, on_tile=quiet)
    assert np.abs(whole.astype(int) - tiled).max() <= 1
    assert whole.shape == rgb.shape
    large = infer.upscale(LARGER, rgb, valid, tile_px=4096, on_tile=quiet)
    in_tiles = infer.upscale(LARGER, rgb, valid, tile_px=128, on_tile=quiet)
    assert large.shape == (2 * height, 2 * width, 3)
    assert np.abs(large.astype(int) - in_tiles).max() <= 1


@pytest.mark.parametrize("work_px", [64, 4096])
def test_lightness_is_the_inputs_and_no_data_is_left_alone(work_px):
    rgb = picture(130, 170, seed=1)
    valid = np.ones((130, 170), bool)
    valid[:40, :60] = False
    rgb[~valid] = 255
    out = infer.colorize(COLOUR, rgb, valid, work_px=work_px, on_tile=quiet)
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
    out = infer._painted(rgb, valid, ab, valid[::4, ::4])
    assert np.abs(out[:, 127].astype(int) - out[:, 60]).max() <= 1


def test_no_data_is_repeated_when_enlarged():
    rgb = picture(64, 64)
    valid = np.ones((64, 64), bool)
    valid[:20] = False
    rgb[~valid] = 255
    out = infer.upscale(LARGER, rgb, valid, on_tile=quiet)
    assert (out[:40] == 255).all()


def test_the_tiles_counted_are_the_tiles_done():
    done = []
    rgb = picture(700, 900)
    infer.colorize(COLOUR, rgb, np.ones((700, 900), bool), work_px=4096, on_tile=lambda: done.append(1))
    assert len(done) == infer.colour_tiles(COLOUR, rgb.shape, 4096)
