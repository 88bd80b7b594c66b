from dataclasses import replace

import pytest
import torch
from sample_networks import COLOURISERS, UNETS, awake
from torch import nn
from torch.nn import functional as F

from models.catalogue import build, from_dict, to_dict
from models.colouriser import AB_LIMIT
from models.discriminators import (
    PatchGAN,
    PatchGANConfig,
    ResidualVGGConfig,
    ResNetPatchConfig,
    SRGANDiscriminatorConfig,
)
from models.edsr import EDSRConfig
from models.enlarger import prime_factors
from models.nafnet import NAFNetConfig
from models.resnet_unet import ResNetUNet, ResNetUNetConfig
from models.span import SPAN, SPANConfig
from models.srresnet import SRResNetConfig
from models.unet import UNet, UNetConfig
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


@pytest.mark.parametrize("config", COLOURISERS)
def test_colourisers_see_no_farther_than_they_say(config):
    network = awake(config)
    middle = network.stride * (network.receptive_radius // network.stride + 2)
    seen = reach(network, torch.rand(1, 1, 2 * middle, 32) * 100, 1, range(middle, middle + network.stride))
    assert network.receptive_radius - 2 <= seen <= network.receptive_radius


ENLARGERS = {
    "srresnet": lambda scale: SRResNetConfig(scale, 4, 1, 3),
    "edsr": lambda scale: EDSRConfig(scale, 4, 1),
    "edsr, direct": lambda scale: EDSRConfig(scale, 4, 2, 0.5, "direct"),
    "edsr, keeps light": lambda scale: EDSRConfig(scale, 4, 2, 0.5, "direct", keeps_light=True),
    "wdsr": lambda scale: WDSRConfig(scale, 4, 2),
    "span": lambda scale: SPANConfig(scale, 4, 2),
    "span, plain": lambda scale: SPANConfig(scale, 4, 2, 0),
}


@pytest.mark.parametrize("kind", ENLARGERS)
@pytest.mark.parametrize("scale", [2, 3, 7, 12])
def test_enlargers_see_no_farther_than_they_say(kind, scale):
    network = awake(ENLARGERS[kind](scale))
    seen = reach(network, torch.rand(1, 3, 40, 4), scale, range(20 * scale, 21 * scale))
    assert network.receptive_radius - 1 <= seen <= network.receptive_radius


@pytest.mark.parametrize("scale", [2, 5])
def test_a_network_that_keeps_the_light_gives_each_pixel_its_mean_again(scale):
    small = torch.rand(2, 3, 9, 7)
    without, kept = (awake(EDSRConfig(scale, 4, 2, tail="direct", keeps_light=keeps)) for keeps in (False, True))
    large = kept(small)
    assert torch.allclose(F.avg_pool2d(large, scale), small, atol=1e-5)
    # of all pictures with these means it is the nearest: what is left of the difference is one step a pixel
    step = (large - without(small)).unfold(2, scale, scale).unfold(3, scale, scale).flatten(4)
    assert step.std(dim=-1).max() < 1e-5 < step.abs().max()


@pytest.mark.parametrize(
    "config",
    [
        UNetConfig(4, 4, 8),
        UNetConfig(4, 8, 8, norm="channel"),
        UNetConfig(4, 2, reduce=4),
        NAFNetConfig(4),
        ResNetUNetConfig(4),
    ],
)
@pytest.mark.parametrize("size", [(64, 64), (65, 97), (70, 64)])
def test_colourisers_take_any_size_and_stay_in_range(config, size):
    lightness = torch.rand(2, 1, *size) * 100
    ab = awake(config)(lightness)
    assert ab.shape == (2, 2, *size)
    assert ab.abs().max() <= AB_LIMIT
    rgb = awake(replace(config, output="rgb"))(lightness)
    assert rgb.shape == (2, 3, *size)
    assert 0 <= rgb.min() < rgb.max() <= 1


@pytest.mark.parametrize("kind", ENLARGERS)
@pytest.mark.parametrize("scale", range(2, 13))
def test_enlargers_enlarge_by_any_whole_number_and_start_as_bicubic(kind, scale):
    torch.manual_seed(0)
    given = torch.rand(1, 3, 9, 7)
    out = build(ENLARGERS[kind](scale))(given)
    assert out.shape == (1, 3, 9 * scale, 7 * scale)
    plain = F.interpolate(given, scale_factor=float(scale), mode="bicubic", align_corners=False)
    if kind == "edsr, keeps light":
        plain = plain + F.interpolate(given - F.avg_pool2d(plain, scale), scale_factor=float(scale))
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


@pytest.mark.parametrize("size", [(32, 32), (48, 35)])
@pytest.mark.parametrize("config", [SRGANDiscriminatorConfig(4, 3), ResidualVGGConfig(width=2)])
def test_whole_picture_discriminators_take_any_size(config, size):
    assert build(config)(torch.rand(2, 3, *size)).shape == (2, 1, 1, 1)


@pytest.mark.parametrize("spectral", [False, True])
def test_resnet_50_judges_cells_of_32_pixels(spectral):
    network = build(ResNetPatchConfig(width=2, spectral=spectral))
    assert network(torch.rand(1, 3, 256, 256)).shape == (1, 1, 8, 8)
    # a stem, three convolutions to a bottleneck, and the logits in place of the classes
    convs = [
        name for name, module in network.named_modules() if isinstance(module, nn.Conv2d) and "shortcut" not in name
    ]
    assert len(convs) == 50


def test_residual_vgg_has_the_13_convolutions_of_vgg_16():
    shapes = [m.weight.shape for m in build(ResidualVGGConfig()).modules() if isinstance(m, nn.Conv2d)]
    assert [shape[0] for shape in shapes if shape[2] == 3] == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6


@pytest.mark.parametrize(
    "config",
    [
        PatchGANConfig(width=4, norm="none"),
        SRGANDiscriminatorConfig(4),
        ResNetPatchConfig(width=2, blocks=(1,)),
        ResidualVGGConfig(width=2),
    ],
)
def test_more_power_iterations_find_the_largest_singular_value_sooner(config):
    norms = []
    for iterations in (1, 40):
        torch.manual_seed(0)
        network = build(replace(config, spectral=True, power_iterations=iterations))
        with torch.no_grad():
            network(torch.rand(2, 3, 64, 64))
        conv = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
        with torch.no_grad():
            norms.append(float(torch.linalg.matrix_norm(conv.eval().weight.flatten(1), 2)))
    assert abs(norms[1] - 1) < 1e-3
    assert abs(norms[1] - 1) <= abs(norms[0] - 1)


def test_the_folded_kernel_of_span_is_the_stack_it_stands_for():
    torch.manual_seed(0)
    folded = SPAN(SPANConfig(2, 6, 2)).body[0].first
    nn.init.normal_(folded.shortcut)
    given = torch.rand(1, 6, 9, 9)
    wide = nn.functional.conv2d(given, folded.widen[..., None, None])
    stack = nn.functional.conv2d(nn.functional.conv2d(wide, folded.look, padding=1), folded.narrow[..., None, None])
    stack = stack + nn.functional.conv2d(given, folded.shortcut[..., None, None])
    assert (folded(given) - stack).abs().max() < 1e-5


def test_resnet_encoder_starts_as_torchvisions():
    import torchvision

    torch.manual_seed(0)
    theirs = torchvision.models.resnet18().eval()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    ours = ResNetUNet(ResNetUNetConfig())
    ours.load_encoder(theirs.state_dict())
    gray = torch.rand(1, 1, 96, 96)
    with torch.no_grad():
        given = ((gray - 0.449) / 0.226).expand(-1, 3, -1, -1)
        aim = theirs.layer1(theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(given)))))
        _, made, *_ = ours.encoder(gray * 2 - 1)
        # what pads the borders is another gray
        assert torch.allclose(made[..., 8:-8, 8:-8], aim[..., 8:-8, 8:-8], atol=1e-3)
        for group in ("layer2", "layer3", "layer4"):
            made = getattr(ours.encoder, group)(aim)
            aim = getattr(theirs, group)(aim)
            assert torch.allclose(made, aim, atol=1e-3)


def test_weights_of_another_network_are_refused():
    with pytest.raises(ValueError, match=r"lack conv1\.weight"):
        ResNetUNet(ResNetUNetConfig(4)).load_encoder({})
    with pytest.raises(ValueError, match="folded"):
        ResNetUNet(ResNetUNetConfig(4, norm="channel")).load_encoder({})


def test_prime_factors_multiply_to_the_number():
    for number in range(2, 200):
        factors = prime_factors(number)
        assert torch.tensor(factors).prod() == number
        assert all(all(p % d for d in range(2, p)) for p in factors)


@pytest.mark.parametrize(
    "config",
    [
        UNETS[2],
        SRResNetConfig(3, 4, 1),
        EDSRConfig(3),
        WDSRConfig(3),
        SPANConfig(3),
        PatchGANConfig(),
        SRGANDiscriminatorConfig(),
        NAFNetConfig(),
        ResNetUNetConfig(output="rgb"),
        ResNetPatchConfig(),
        ResidualVGGConfig(),
    ],
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
        (ResidualVGGConfig, {"levels": ()}),
        (ResNetPatchConfig, {"power_iterations": 0}),
        (NAFNetConfig, {"down": (1, 1)}),
        (ResNetUNetConfig, {"norm": "batch"}),
        (ResNetUNetConfig, {"output": "hsv"}),
        (SPANConfig, {"blocks": 1}),
    ],
)
def test_sizes_out_of_range_are_refused(kind, values):
    with pytest.raises(ValueError):
        kind(**values)


def test_unet_starts_gray():
    torch.manual_seed(0)
    assert UNet(UNetConfig(8, 3))(torch.rand(1, 1, 64, 64) * 100).abs().max() < 5
