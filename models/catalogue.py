"""Networks by name: from a plain dictionary, as it stands in a file, to a network and back."""

from dataclasses import asdict, fields
from typing import Any

from torch import nn

from models.colouriser import Output
from models.discriminators import (
    DiscriminatorConfig,
    PatchGAN,
    PatchGANConfig,
    ResidualVGG,
    ResidualVGGConfig,
    ResNetPatch,
    ResNetPatchConfig,
    SRGANDiscriminator,
    SRGANDiscriminatorConfig,
)
from models.edsr import EDSR, EDSRConfig
from models.guided import GuidedUNet, GuidedUNetConfig
from models.nafnet import NAFNet, NAFNetConfig
from models.resnet_unet import ResNetUNet, ResNetUNetConfig
from models.span import SPAN, SPANConfig
from models.srresnet import SRResNet, SRResNetConfig
from models.unet import UNet, UNetConfig
from models.wdsr import WDSR, WDSRConfig

ColouriserConfig = UNetConfig | ResNetUNetConfig | NAFNetConfig | GuidedUNetConfig
EnlargerConfig = SRResNetConfig | EDSRConfig | WDSRConfig | SPANConfig
NetworkConfig = ColouriserConfig | EnlargerConfig | DiscriminatorConfig

_CATALOGUE: dict[str, tuple[type[Any], type[nn.Module]]] = {
    "unet": (UNetConfig, UNet),
    "resnet_unet": (ResNetUNetConfig, ResNetUNet),
    "nafnet": (NAFNetConfig, NAFNet),
    "guided_unet": (GuidedUNetConfig, GuidedUNet),
    "srresnet": (SRResNetConfig, SRResNet),
    "edsr": (EDSRConfig, EDSR),
    "wdsr": (WDSRConfig, WDSR),
    "span": (SPANConfig, SPAN),
    "patchgan": (PatchGANConfig, PatchGAN),
    "resnet_patch": (ResNetPatchConfig, ResNetPatch),
    "residual_vgg": (ResidualVGGConfig, ResidualVGG),
    "srgan_discriminator": (SRGANDiscriminatorConfig, SRGANDiscriminator),
}
# the rest of a run is made for these: what is enlarged how much, and what the generator shows the discriminator
_SHARED = ("scale", "output", "channels")


def output_of(config: ColouriserConfig) -> Output:
    """Whether a colouriser predicts a*b* or RGB."""
    return "ab" if isinstance(config, GuidedUNetConfig) else config.output


def build(config: NetworkConfig) -> nn.Module:
    """The network of a config, with fresh weights from torch's random generator.

    Raises:
        ValueError: no network has a config of this type.
    """
    return _CATALOGUE[name_of(config)][1](config)


def name_of(config: NetworkConfig) -> str:
    """The network's name in the catalogue.

    Raises:
        ValueError: no network has a config of this type.
    """
    for name, (kind, _) in _CATALOGUE.items():
        if type(config) is kind:
            return name
    raise ValueError(f"{type(config).__name__} is not the config of a known network")


def alternatives(config: NetworkConfig) -> tuple[str, ...]:
    """Names of the networks that colour, enlarge or judge as this one does, its own among them."""
    (role,) = (role for role in (ColouriserConfig, EnlargerConfig, DiscriminatorConfig) if isinstance(config, role))
    return tuple(name for name, (kind, _) in _CATALOGUE.items() if issubclass(kind, role))


def in_place_of(config: NetworkConfig, name: str) -> NetworkConfig:
    """The config of the network `name`, one of the `alternatives`, for the place that another has in a run.

    It has its own defaults, but for the scale, output or channels of the one before, where both have such a setting;
    a network of the same name stays as it is.
    """
    if name == name_of(config):
        return config
    kind = _CATALOGUE[name][0]
    known = {field.name for field in fields(kind)}
    return kind(**{key: value for key, value in asdict(config).items() if key in _SHARED and key in known})


def to_dict(config: NetworkConfig) -> dict[str, Any]:
    """The config as JSON types, with the network's name under `network`."""
    return {"network": name_of(config)} | asdict(config)


def from_dict(values: dict[str, Any]) -> NetworkConfig:
    """The config that `to_dict` wrote; JSON's lists become tuples again.

    Raises:
        ValueError: the network or a setting is unknown, or a value is out of range.
    """
    name = values.get("network")
    if name not in _CATALOGUE:
        raise ValueError(f"unknown network {name!r}; known are {', '.join(sorted(_CATALOGUE))}")
    kind = _CATALOGUE[name][0]
    settings = {key: value for key, value in values.items() if key != "network"}
    unknown = sorted(settings.keys() - {field.name for field in fields(kind)})
    if unknown:
        raise ValueError(f"{name} has no setting {unknown[0]!r}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()})
