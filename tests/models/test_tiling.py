from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_networks import COLOURISERS, ENLARGERS, UNETS, awake

from models.catalogue import ColouriserConfig, EnlargerConfig
from models.predict import colorize, predict_ab, scale_of, upscale
from models.srresnet import SRResNetConfig
from models.tiling import tiles
from models.unet import UNetConfig


@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    tile_px=st.integers(1, 90),
    margin=st.integers(0, 70),
    stride=st.integers(1, 32),
)
@settings(deadline=None, max_examples=60)
def test_tiles_cover_every_pixel_once_with_their_margin(height, width, tile_px, margin, stride):
    count = torch.zeros(height, width, dtype=torch.int)
    for tile in tiles(height, width, tile_px=tile_px, margin=margin, stride=stride):
        count[slice(*tile.rows.target), slice(*tile.columns.target)] += 1
        for span, length in ((tile.rows, height), (tile.columns, width)):
            assert span.source[0] % stride == 0
            assert 0 <= span.source[0] <= max(0, span.target[0] - margin)
            assert span.source[1] == min(length, span.target[1] + margin)
            assert span.inner[1] - span.inner[0] == span.target[1] - span.target[0]
    assert (count == 1).all()


@pytest.mark.parametrize("config", COLOURISERS)
def test_a_picture_coloured_in_tiles_equals_the_whole(config):
    # in double precision, or rounding that a normalisation enlarges would hide what a tile does
    network = awake(config).double()
    # tall enough that most tiles see neither end
    height, width = 2 * network.receptive_radius + 150, 97
    lightness = torch.rand(1, 1, height, width, dtype=torch.float64) * 100
    whole = network(lightness)
    joined = torch.full_like(whole, torch.nan)
    for tile in tiles(height, width, tile_px=64, margin=network.receptive_radius, stride=network.stride):
        part = network(lightness[..., slice(*tile.rows.source), slice(*tile.columns.source)])
        inner = part[..., slice(*tile.rows.inner), slice(*tile.columns.inner)]
        joined[..., slice(*tile.rows.target), slice(*tile.columns.target)] = inner
    assert (joined - whole).abs().max() < 1e-9
    assert whole.std() > 1


def test_tiles_that_ignore_margin_or_stride_do_not():
    network = awake(UNETS[1])
    lightness = torch.rand(1, 1, 96, 96) * 100
    whole = network(lightness)
    assert (network(lightness[..., 48:, :])[..., :8, :] - whole[..., 48:56, :]).abs().max() > 0.1
    margin = network.receptive_radius
    shifted = network(lightness[..., 64 - margin :, :])[..., margin:, :]
    assert (shifted - whole[..., 64:, :]).abs().max() > 0.1


def test_all_networks_for_pictures_are_among_the_samples():
    known = {*get_args(ColouriserConfig), *get_args(EnlargerConfig)}
    assert {type(config) for config in [*COLOURISERS, *ENLARGERS]} == known


@pytest.mark.parametrize("config", ENLARGERS)
def test_a_picture_enlarged_in_tiles_equals_the_whole(config):
    network, scale = awake(config), config.scale
    rgb = torch.rand(3, 61, 50)
    whole = upscale(network, rgb)
    joined = torch.full_like(whole, torch.nan)
    for tile in tiles(61, 50, tile_px=20, margin=network.receptive_radius, stride=network.stride):
        part = upscale(network, rgb[:, slice(*tile.rows.source), slice(*tile.columns.source)])
        inner = [slice(scale * a, scale * b) for a, b in (tile.rows.inner, tile.columns.inner)]
        target = [slice(scale * a, scale * b) for a, b in (tile.rows.target, tile.columns.target)]
        joined[:, target[0], target[1]] = part[:, inner[0], inner[1]]
    assert (joined - whole).abs().max() < 1e-5


def test_bad_tiles_are_refused():
    with pytest.raises(ValueError, match="tile_px"):
        list(tiles(10, 10, tile_px=0, margin=1, stride=1))


def test_the_fill_of_no_data_does_not_reach_the_colours():
    network = awake(UNetConfig(4, 2, 8))
    rgb = torch.rand(3, 64, 64)
    valid = torch.ones(1, 64, 64, dtype=torch.bool)
    valid[:, :, 40:] = False
    white, black = rgb.masked_fill(~valid, 1.0), rgb.masked_fill(~valid, 0.0)
    from_white, from_black = colorize(network, white, valid), colorize(network, black, valid)
    assert torch.equal(from_white[:, :, :40], from_black[:, :, :40])
    assert torch.equal(from_white[:, :, 40:], white[:, :, 40:])
    assert (predict_ab(network, torch.full((1, 64, 64), 50.0), valid)[:, :, 40:] == 0).all()


def test_a_colouriser_has_no_scale():
    with pytest.raises(ValueError, match="does not enlarge"):
        scale_of(awake(UNETS[0]))
    assert scale_of(awake(SRResNetConfig(5, 4, 1, 3))) == 5
