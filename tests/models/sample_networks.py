"""Small networks that the tests of this folder share."""

import torch
from torch import nn

from models.catalogue import NetworkConfig, build
from models.edsr import EDSRConfig
from models.guided import GuidedUNetConfig
from models.nafnet import NAFNetConfig
from models.resnet_unet import ResNetUNetConfig
from models.span import SPANConfig
from models.srresnet import SRResNetConfig
from models.unet import UNetConfig
from models.wdsr import WDSRConfig

UNETS = [
    UNetConfig(4, 1, 8),
    UNetConfig(4, 3, 8, norm="channel"),
    UNetConfig(4, 2, 8, context=(1, 2)),
    UNetConfig(4, 2, 8, reduce=4),
]
COLOURISERS = [
    *UNETS,
    NAFNetConfig(4, (1, 1), (1, 0), (1, 2)),
    NAFNetConfig(4, (1,), (2,), (), reduce=2),
    ResNetUNetConfig(4),
    ResNetUNetConfig(4, norm="channel"),
    GuidedUNetConfig(4, 2, (1, 2), reduce=2, surround_px=1.5),
]
ENLARGERS = [
    SRResNetConfig(3, 6, 2, 5),
    SRResNetConfig(4, 6, 2, 5),
    EDSRConfig(6, 6, 2),
    EDSRConfig(3, 6, 2, tail="direct"),
    EDSRConfig(4, 6, 2, tail="direct", keeps_light=True),
    WDSRConfig(4, 6, 3),
    SPANConfig(2, 6, 2),
]


def awake(config: NetworkConfig) -> nn.Module:
    """A network whose last layer, which starts near zero, says something."""
    torch.manual_seed(0)
    network = build(config)
    nn.init.normal_(network.out.weight, std=0.3)
    for name, parameter in network.named_parameters():
        # NAFNet's blocks start as nothing
        if name.endswith(("weight_look", "weight_mix")):
            nn.init.constant_(parameter, 0.5)
        # so do those of the guided U-Net
        if name.endswith("second.weight") and not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return network.requires_grad_(False)
