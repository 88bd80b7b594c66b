"""The settings of a training run as frozen dataclasses, and their way into a file and back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from manifests.errors import DeepfieldError
from models import catalogue
from models.catalogue import ColouriserConfig, EnlargerConfig
from models.colouriser import CHANNELS
from models.discriminators import DiscriminatorConfig, SRGANDiscriminatorConfig
from models.edsr import EDSRConfig
from models.guided import GuidedUNetConfig
from training.adversarial import WITH_LABELS, GANConfig
from training.content import ContentConfig
from training.degradation import AREA, DegradationConfig

Task = Literal["colorizer", "superres"]
TASKS: tuple[Task, ...] = ("colorizer", "superres")
PretrainLoss = Literal["l1", "psnr"]


@dataclass(frozen=True)
class DataConfig:
    """What the networks are shown.

    `frame_px`: longer side above which a frame is shrunk, once, into the pack. `crop_px`: side of a training crop.
    `batch`: crops a step, over all processes together. `min_valid`: share of a crop that should hold data.
    `degradation`: how super-resolution makes its small pictures.
    """

    frame_px: int
    crop_px: int
    batch: int
    min_valid: float = 0.5
    degradation: DegradationConfig = AREA

    def __post_init__(self) -> None:
        if self.frame_px < 32 or self.crop_px < 16 or self.batch < 1:
            raise ValueError("data.frame_px must be 32 or more, data.crop_px 16 or more, data.batch 1 or more")
        if self.crop_px > self.frame_px:
            raise ValueError(f"data.crop_px {self.crop_px} is larger than the frames, data.frame_px {self.frame_px}")
        if not 0.0 <= self.min_valid <= 1.0:
            raise ValueError("data.min_valid must lie within 0 and 1")


@dataclass(frozen=True)
class PhaseConfig:
    """One phase of training: how long, how fast.

    `decay` "cosine" lets the learning rates fall to zero over the steps. `patience`: after so many evaluations
    without a better score the phase ends; 0 never ends it early. The discriminator learns in the second phase only.
    """

    steps: int
    lr_generator: float
    lr_discriminator: float = 2e-4
    decay: Literal["constant", "cosine"] = "constant"
    patience: int = 10

    def __post_init__(self) -> None:
        if self.steps < 0 or self.patience < 0:
            raise ValueError("steps and patience of a phase must be 0 or more")
        if self.lr_generator <= 0 or self.lr_discriminator <= 0:
            raise ValueError("learning rates must be above 0")


@dataclass(frozen=True)
class EngineConfig:
    """How a step is computed.

    `accumulate` cuts the batch into so many parts whose gradients are added, for pictures that do not fit otherwise.
    `clip`: longest gradient of each player, 0 for any. `channels_last`: the memory layout that enlarging networks
    prefer. `compile`: the generator by `torch.compile`, on CUDA only; the discriminator never, since gradients of
    gradients do not go through it.
    """

    accumulate: int = 1
    clip: float = 0.0
    channels_last: bool = False
    compile: bool = False

    def __post_init__(self) -> None:
        if self.accumulate < 1 or self.clip < 0.0:
            raise ValueError("engine.accumulate must be 1 or more, engine.clip 0 or more")


@dataclass(frozen=True)
class TrainConfig:
    """A whole run. `source` names where the recipe comes from.

    The `network` of a generator or discriminator is its family. One that is set in place of the recipe's has its own
    defaults, but for the scale, output or channels, which stay as the rest of the run needs them.
    `l1_weight` and `adversarial_weight` are those of the generator's terms, `betas` are Adam's, and `ema_decay` is that
    of the running mean of the weights, which is the network that is kept. `log_every` and `eval_every` count steps.
    `discriminator_first`: steps at the start of the adversarial phase in which only the discriminator learns.
    `held_out_frames`: how many frames an evaluation during training looks at. `encoder`: the first weights of a
    ResNet encoder, "imagenet", "scratch" or a file. `collapse_rows`: so many rows of the log in a row with signs of
    collapse stop the adversarial phase, 0 never. `precision` "auto" is bf16 where the processor computes in it.
    `guided`: share of the crops that come with their frame's palette, where the generator takes one.
    `colour_weight`: in the adversarial phase a colouriser also answers for being as colourful as the truth.
    `pretrain_loss`: what the first phase goes down, "psnr" is for enlarging (see `training.losses.psnr_loss`).
    `spurious_weight`: what a network that enlarges answers for besides, by so many dB for all of what it shows: sources
    that the truth does not (see `training.spurious`). The best checkpoint of the first phase is chosen by both.
    """

    task: Task
    recipe: str
    source: str
    generator: ColouriserConfig | EnlargerConfig
    discriminator: DiscriminatorConfig
    data: DataConfig
    pretrain: PhaseConfig
    adversarial: PhaseConfig
    l1_weight: float
    adversarial_weight: float
    pretrain_loss: PretrainLoss = "l1"
    spurious_weight: float = 0.0
    colour_weight: float = 0.0
    discriminator_first: int = 0
    betas: tuple[float, float] = (0.5, 0.999)
    ema_decay: float = 0.999
    log_every: int = 100
    eval_every: int = 1000
    held_out_frames: int = 50
    guided: float = 0.0
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    encoder: str = "scratch"
    collapse_rows: int = 20
    gan: GANConfig = field(default_factory=GANConfig)
    content: ContentConfig = field(default_factory=ContentConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)

    def __post_init__(self) -> None:
        enlarges = isinstance(self.generator, EnlargerConfig)
        if enlarges != (self.task == "superres"):
            raise ValueError(f"a {self.task} cannot be trained with a {catalogue.name_of(self.generator)} generator")
        scale = self.generator.scale if isinstance(self.generator, EnlargerConfig) else 1
        # lightness and colours, or the picture
        shown = 3 if isinstance(self.generator, EnlargerConfig) else 1 + CHANNELS[catalogue.output_of(self.generator)]
        # the SRGAN's judges RGB and nothing else
        judged = 3 if isinstance(self.discriminator, SRGANDiscriminatorConfig) else self.discriminator.channels
        if shown != judged:
            can_be_set = not isinstance(self.discriminator, SRGANDiscriminatorConfig)
            mend = f"set discriminator.channels to {shown}" if can_be_set else "choose another discriminator.network"
            raise ValueError(f"the discriminator is shown {shown} channels and takes {judged}: {mend}")
        if self.data.crop_px % scale:
            raise ValueError(f"data.crop_px {self.data.crop_px} must be a multiple of the scale {scale}")
        if isinstance(self.generator, EDSRConfig) and self.generator.keeps_light and self.data.degradation != AREA:
            raise ValueError("generator.keeps_light is for plain area means: set it to false")
        if self.pretrain.steps + self.adversarial.steps < 1:
            raise ValueError("pretrain.steps and adversarial.steps are both 0: there is nothing to do")
        if min(self.log_every, self.eval_every, self.held_out_frames) < 1:
            raise ValueError("log_every, eval_every and held_out_frames must be 1 or more")
        if not 0.0 <= self.ema_decay < 1.0:
            raise ValueError("ema_decay must be at least 0 and below 1")
        if self.guided and not isinstance(self.generator, GuidedUNetConfig):
            raise ValueError("guided is for a generator that takes palettes: guided_unet, or set it to 0")
        if not 0.0 <= self.guided <= 1.0:
            raise ValueError("guided must lie within 0 and 1")
        _check_losses(self)
        if min(self.seed, self.collapse_rows) < 0:
            raise ValueError("seed and collapse_rows must be 0 or more")
        if self.data.batch < self.engine.accumulate:
            raise ValueError(f"a batch of {self.data.batch} cannot be cut into {self.engine.accumulate} parts")


def _check_losses(config: TrainConfig) -> None:
    enlarges = config.task == "superres"
    if (config.colour_weight and enlarges) or (config.pretrain_loss == "psnr" and not enlarges):
        raise ValueError("colour_weight is for colourisers, pretrain_loss psnr for networks that enlarge")
    if config.spurious_weight and config.pretrain_loss != "psnr":
        raise ValueError("spurious_weight goes with pretrain_loss psnr: set that too, or spurious_weight to 0")
    if min(config.colour_weight, config.spurious_weight) < 0:
        raise ValueError("colour_weight and spurious_weight must be 0 or more")


def to_dict(config: TrainConfig) -> dict[str, Any]:
    """The config as JSON types; networks carry their name under `network`, a penalty is the number it comes to."""
    return asdict(config) | {
        "gan": asdict(config.gan) | {"gradient_penalty": config.gan.penalty},
        "generator": catalogue.to_dict(config.generator),
        "discriminator": catalogue.to_dict(config.discriminator),
    }


def from_dict(values: Mapping[str, Any]) -> TrainConfig:
    """The config that `to_dict` wrote, now or in an earlier version.

    Raises:
        DeepfieldError: a setting is missing, unknown or out of range.
    """
    try:
        values = _as_now(values)
        parts = {
            "generator": catalogue.from_dict(values["generator"]),
            "discriminator": catalogue.from_dict(values["discriminator"]),
            "data": DataConfig(**{**values["data"], "degradation": _degradation(values["data"])}),
            "pretrain": PhaseConfig(**values["pretrain"]),
            "adversarial": PhaseConfig(**values["adversarial"]),
            "betas": tuple(values["betas"]),
        }
        # a run of an earlier version lacks some groups and has their defaults
        groups = {"gan": GANConfig, "content": ContentConfig, "engine": EngineConfig}
        parts |= {name: kind(**values[name]) for name, kind in groups.items() if name in values}
        return TrainConfig(**{**values, **parts})
    except (KeyError, TypeError, ValueError) as error:
        raise DeepfieldError(
            f"The run's config.json cannot be used ({error}): it is damaged or another version's."
        ) from None


def _as_now(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an earlier version wrote, without the settings that it took and that did nothing: they are refused now."""
    gan = values.get("gan")
    if gan and gan["loss"] not in WITH_LABELS:
        values = {**values, "gan": gan | {"label_smoothing": 0.0}}
    content = values.get("content")
    if content and not content["weight"]:
        values = {**values, "content": content | {"mix": 0.0}}
    return values


def degradation_of(meta: Mapping[str, Any]) -> DegradationConfig:
    """How the small pictures of a model were made, as its registered `meta` or an exported file's says; else area."""
    return _degradation(meta.get("training", {}).get("data", {}))


def _degradation(data: Mapping[str, Any]) -> DegradationConfig:
    # runs of earlier versions do not name it: they took the area mean
    return DegradationConfig(**data.get("degradation", {}))
