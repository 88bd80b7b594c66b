import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_networks import awake

from models.guided import GuidedBy, GuidedUNetConfig
from models.palette import LIGHTNESS_STEPS, SURROUND_STEPS, look_up, surround, take_palette
from models.tiling import tiles

CONFIG = GuidedUNetConfig(4, 1, (1,), reduce=1, surround_px=3.0)
SIGMA = CONFIG.surround_px


def painted(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A picture L*a*b* whose chroma follows a smooth palette of its own, and that palette."""
    generator = torch.Generator().manual_seed(seed)
    lightness = 100 * torch.rand(1, 1, 90, 80, generator=generator).pow(2)
    lightness = (lightness + 2 * surround(lightness, 4.0)) / 3 + 20 * torch.sin(torch.arange(80.0) / 9)
    lightness = lightness.clamp(0, 100)
    rows, columns = torch.linspace(0, 1, SURROUND_STEPS)[:, None], torch.linspace(0, 1, LIGHTNESS_STEPS)
    palette = torch.stack((40 * columns - 25 * rows, 30 * columns.square() * (1 - rows)))[None]
    ab = look_up(palette, lightness, surround(lightness, SIGMA))
    return torch.cat((lightness, ab), dim=1)[0], palette


@given(seed=st.integers(0, 10**6), share=st.floats(0.3, 1.0))
@settings(max_examples=10, deadline=None)
def test_a_picture_painted_by_a_palette_gives_it_back(seed, share):
    lab, _ = painted(seed)
    valid = torch.ones(1, *lab.shape[1:], dtype=torch.bool)
    valid[:, :, int(share * lab.shape[2]) :] = False
    lab = torch.where(valid, lab, torch.full_like(lab, 100.0))
    blank = lab[:1].masked_fill(~valid, 0.0)[None]
    again = look_up(take_palette(lab, valid, SIGMA)[None], blank, surround(blank, SIGMA))[0]
    # beside the border of no-data the lightness around differs from that it was painted by
    inner = torch.zeros_like(valid)
    inner[:, :, : int(share * lab.shape[2]) - 10] = True
    assert (again - lab[1:])[:, inner[0]].abs().mean() < 0.6


def test_outliers_do_not_bend_a_palette():
    lab, _ = painted(3)
    valid = torch.ones(1, *lab.shape[1:], dtype=torch.bool)
    spoilt = lab.clone()
    spoilt[1:, ::9, ::3] += 60.0
    around = surround(lab[None, :1], SIGMA)
    again = look_up(take_palette(spoilt, valid, SIGMA)[None], lab[None, :1], around)[0]
    assert (again - lab[1:]).abs().mean() < 2.0


def test_a_picture_without_data_gives_gray():
    assert not take_palette(torch.full((3, 8, 8), 50.0), torch.zeros(1, 8, 8, dtype=torch.bool), SIGMA).any()


def test_lightness_around_is_a_mean_and_repeats_the_border():
    lightness = torch.full((1, 1, 20, 9), 37.0)
    assert torch.allclose(surround(lightness, 8.0), lightness, atol=1e-3)


def test_a_network_without_experience_paints_by_the_palette_alone():
    lab, palette = painted(5)
    torch.manual_seed(0)
    network = awake(CONFIG)
    torch.nn.init.zeros_(network.out.weight)
    lightness = lab[None, :1]
    by_palette = GuidedBy(network, palette[0])(lightness)
    assert torch.allclose(by_palette, look_up(palette, lightness, surround(lightness, SIGMA)), atol=1e-4)
    assert network(lightness).abs().max() < 1e-4


def test_each_picture_of_a_batch_has_its_own_guide_or_none():
    lab, palette = painted(7)
    network = awake(CONFIG)
    lightness = lab[None, :1].repeat(3, 1, 1, 1)
    palettes = torch.cat((palette, -palette, palette))
    together = network(lightness, palettes, torch.tensor([1.0, 1.0, 0.0]))
    alone = [network(lightness[:1], palette), network(lightness[:1], -palette), network(lightness[:1])]
    assert torch.allclose(together, torch.cat(alone), atol=0.05)
    assert (alone[0] - alone[1]).abs().mean() > 1


def test_a_picture_painted_by_a_palette_in_tiles_equals_the_whole():
    lab, palette = painted(9)
    network = GuidedBy(awake(GuidedUNetConfig(4, 2, (1,), reduce=2, surround_px=2.0)), palette[0]).double()
    lightness = lab[None, :1].repeat(1, 1, 2, 2).double()
    whole = network(lightness)
    joined = torch.full_like(whole, torch.nan)
    for tile in tiles(180, 160, tile_px=64, margin=network.receptive_radius, stride=network.stride):
        part = network(lightness[..., slice(*tile.rows.source), slice(*tile.columns.source)])
        inner = part[..., slice(*tile.rows.inner), slice(*tile.columns.inner)]
        joined[..., slice(*tile.rows.target), slice(*tile.columns.target)] = inner
    assert (joined - whole).abs().max() < 1e-9
