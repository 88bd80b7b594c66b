import pytest
import torch
from sample_networks import UNETS, awake
from torch import nn

from models.catalogue import build, from_dict, to_dict
from models.discriminators import PatchGAN, PatchGANConfig, SRGANDiscriminator, SRGANDiscriminatorConfig
from models.edsr import EDSRConfig
from models.srresnet import SRResNetConfig, prime_factors
from models.unet import AB_LIMIT, UNet, UNetConfig
from models.wdsr import WDSRConfig


def reach(network: nn.Module, given: torch.Tensor, scale: int, rows: range) -> int:
    """How many rows away from an output pixel the input still has an effect, by the gradient."""
    given = given.clone().requires_grad_()
    out = network(given)
    farthest = 0
    for row in rows:
        (gradient,) = torch.autograd.grad(out[0, :, row].sum(), given, retain_graph=True)
        touched = gradient[0].abs().sum(dim=(0, 2)).nonzero()
        farthest = max(farthest, row // scale - int(touched.min()), int(touched.max()) - row // scale)
    return farthest


@pytest.mark.parametrize("config", UNETS)
def test_unet_sees_no_farther_than_it_says(config):
    network = awake(config)
    middle = network.stride * 8
    seen = reach(network, torch.rand(1, 1, 2 * middle, 32) * 100, 1, range(middle, middle + network.stride))
    assert network.receptive_radius - 2 <= seen <= network.receptive_radius


ENLARGERS = {
    "srresnet": lambda scale: SRResNetConfig(scale, 4, 1, 3),
    "edsr": lambda scale: EDSRConfig(scale, 4, 1),
    "edsr, direct": lambda scale: EDSRConfig(scale, 4, 2, 0.5, "direct"),
    "wdsr": lambda scale: WDSRConfig(scale, 4, 2),
}


@pytest.mark.parametrize("kind", ENLARGERS)
@pytest.mark.parametrize("scale", [2, 3, 7, 12])
def test_enlargers_see_no_farther_than_they_say(kind, scale):
    network = awake(ENLARGERS[kind](scale))
    seen = reach(network, torch.rand(1, 3, 40, 4), scale, range(20 * scale, 21 * scale))
    assert network.receptive_radius - 1 <= seen <= network.receptive_radius


@pytest.mark.parametrize(
    "config", [UNetConfig(4, 4, 8), UNetConfig(4, 8, 8, norm="channel"), UNetConfig(4, 2, reduce=4)]
)
@pytest.mark.parametrize("size", [(64, 64), (65, 97), (70, 64)])
def test_unet_takes_any_size_and_stays_in_range(config, size):
    ab = awake(config)(torch.rand(2, 1, *size) * 100)
    assert ab.shape == (2, 2, *size)
    assert ab.abs().max() <= AB_LIMIT


@pytest.mark.parametrize("kind", ENLARGERS)
@pytest.mark.parametrize("scale", range(2, 13))
def test_enlargers_enlarge_by_any_whole_number_and_start_as_bicubic(kind, scale):
    torch.manual_seed(0)
    given = torch.rand(1, 3, 9, 7)
    out = build(ENLARGERS[kind](scale))(given)
    assert out.shape == (1, 3, 9 * scale, 7 * scale)
    plain = nn.functional.interpolate(given, scale_factor=float(scale), mode="bicubic", align_corners=False)
    assert (out - plain).abs().max() < 0.05


def test_patchgan_of_three_layers_judges_70_pixels_in_30_by_30_patches():
    torch.manual_seed(0)
    network = PatchGAN(PatchGANConfig(width=4, norm="none"))
    pictures = torch.rand(1, 3, 256, 256, requires_grad=True)
    logits = network(pictures)
    assert logits.shape == (1, 1, 30, 30)
    (gradient,) = torch.autograd.grad(logits[0, 0, 15, 15], pictures)
    touched = gradient[0].abs().sum(dim=(0, 2)).nonzero()
    assert int(touched.max() - touched.min()) + 1 == 70


@pytest.mark.parametrize("size", [(16, 16), (48, 33)])
def test_srgan_discriminator_takes_any_size(size):
    network = SRGANDiscriminator(SRGANDiscriminatorConfig(4, 3))
    assert network(torch.rand(2, 3, *size)).shape == (2, 1, 1, 1)


def test_prime_factors_multiply_to_the_number():
    for number in range(2, 200):
        factors = prime_factors(number)
        assert torch.tensor(factors).prod() == number
        assert all(all(p % d for d in range(2, p)) for p in factors)


@pytest.mark.parametrize(
    "config",
    [UNETS[2], SRResNetConfig(3, 4, 1), EDSRConfig(3), WDSRConfig(3), PatchGANConfig(), SRGANDiscriminatorConfig()],
)
def test_config_survives_a_file(config):
    values = to_dict(config)
    as_in_a_file = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
    assert from_dict(as_in_a_file) == config


@pytest.mark.parametrize(
    "values",
    [{"network": "nonsense"}, {}, {"network": "unet", "colour": 3}, {"network": "srresnet", "scale": 13}],
)
def test_bad_config_is_refused(values):
    with pytest.raises(ValueError, match=r"network|setting|scale"):
        from_dict(values)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (UNetConfig, {"depth": 9}),
        (UNetConfig, {"width": 64, "max_width": 32}),
        (UNetConfig, {"norm": "batch"}),
        (UNetConfig, {"reduce": 0}),
        (SRResNetConfig, {"scale": 1}),
        (SRResNetConfig, {"end_kernel": 4}),
        (EDSRConfig, {"tail": "long"}),
        (EDSRConfig, {"residual_scale": 0.0}),
        (WDSRConfig, {"scale": 13}),
        (WDSRConfig, {"linear": 0.0}),
        (PatchGANConfig, {"layers": 0}),
        (SRGANDiscriminatorConfig, {"levels": 9}),
    ],
)
def test_sizes_out_of_range_are_refused(kind, values):
    with pytest.raises(ValueError):
        kind(**values)


def test_unet_starts_gray():
    torch.manual_seed(0)
    assert UNet(UNetConfig(8, 3))(torch.rand(1, 1, 64, 64) * 100).abs().max() < 5
