"""The figures of the study that this project continues, under honest names, to stand beside ours.

Kalvankar, Pandit, Parwate and Patil 2021, arXiv 2112.13865. Its columns do not say what they hold: "L1" of a* and b* is
the mean signed difference, "L2" the mean absolute one, both divided by 110. Its 500 test frames were drawn at random
from frames of the same objects as the training ones. The sums of its super-resolution table are in no stated unit.
"""

from dataclasses import dataclass

SOURCE = "Kalvankar et al. 2021, arXiv 2112.13865"
AB_UNIT = 110.0


@dataclass(frozen=True)
class PublishedColour:
    """A colouriser of the study; `bias` and `mae` are of a* and b*, divided by 110, None where it gives none."""

    what: str
    recipe: str
    fid: float
    bias: tuple[float, float] | None
    mae: tuple[float, float] | None


@dataclass(frozen=True)
class PublishedSuperres:
    """An enlarger of the study; `l1` and `l2` are sums over RGB in no stated unit, lower is better."""

    what: str
    recipe: str
    l1: float
    l2: float


COLOUR = (
    PublishedColour("basic U-Net, RGB, 64 px", "paper_unet_rgb", 152.7, None, None),
    PublishedColour("ResNet-18 U-Net, L*a*b*, 256 px, on COCO only", "", 66.4, None, (0.01565, 0.03208)),
    PublishedColour(
        "the same, fine-tuned on Hubble frames", "paper_resnet18_lab", 42.2, (0.00257, 0.00727), (0.01721, 0.03316)
    ),
)
SUPERRES = (
    PublishedSuperres("SRGAN, pretrained", "", 114.80, 5.95),
    PublishedSuperres("SRGAN, fine-tuned", "srgan_ledig", 87.11, 3.75),
    PublishedSuperres("ED-SRGAN", "edsr_gan", 80.94, 3.68),
    PublishedSuperres("WD-SRGAN", "wdsr_gan", 79.73, 3.63),
)
