"""The state of a run on disk: everything that makes a resumed run equal to one that never stopped."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

from manifests.errors import DeepfieldError
from models import catalogue
from training.config import TrainConfig
from training.data import CropSampler
from training.files import write_atomic
from training.saved import read_saved

FORMAT = 1


@dataclass
class Progress:
    """Where a run is. `phase` is pretrain, adversarial or done; `phase_step` counts within it.

    `best` holds, for each phase, the lowest score, its step and the held-out scores there; `stale` counts
    evaluations since; `suspect` counts rows of the log in a row with signs of collapse. `sums` and `counts` are the
    loss terms since the last row of the log.
    """

    phase: str = "pretrain"
    phase_step: int = 0
    step: int = 0
    stale: int = 0
    seconds: float = 0.0
    best: dict[str, dict[str, Any]] = field(default_factory=dict)
    suspect: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def count_step(self, terms: dict[str, Tensor], seconds: float) -> None:
        """A step was done, with these loss terms, `seconds` after the run began."""
        self.step += 1
        self.phase_step += 1
        self.seconds = seconds
        for name, value in terms.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.counts[name] = self.counts.get(name, 0) + 1

    def clear_sums(self) -> None:
        """A row of the log was written."""
        self.sums, self.counts = {}, {}

    def enter(self, phase: str) -> None:
        """A phase begins."""
        self.phase, self.phase_step, self.stale, self.suspect = phase, 0, 0, 0


@dataclass
class State:
    """Everything that changes during training. `ema` is the running mean of the generator, which is what is used."""

    generator: nn.Module
    discriminator: nn.Module
    ema: nn.Module
    optimizer_g: Adam
    optimizer_d: Adam
    sampler: CropSampler
    progress: Progress


def optimizer(network: nn.Module, betas: tuple[float, float]) -> Adam:
    """Adam in one pass over the weights, a fifth of the time of the plain one; the loop sets the rate."""
    return Adam(network.parameters(), lr=1.0, betas=betas, fused=True)


def new_state(config: TrainConfig, sampler: CropSampler, device: torch.device) -> State:
    """Fresh networks from the config's seed, and their optimisers."""
    torch.manual_seed(config.seed)
    generator = catalogue.build(config.generator).to(device)
    discriminator = catalogue.build(config.discriminator).to(device)
    ema = catalogue.build(config.generator).to(device).requires_grad_(False)
    if config.engine.channels_last:
        for network in (generator, discriminator, ema):
            network.to(memory_format=torch.channels_last)
    ema.load_state_dict(generator.state_dict())
    return State(
        generator=generator,
        discriminator=discriminator,
        ema=ema,
        optimizer_g=optimizer(generator, config.betas),
        optimizer_d=optimizer(discriminator, config.betas),
        sampler=sampler,
        progress=Progress(),
    )


def save(path: Path, state: State) -> None:
    """Write a checkpoint in one step."""
    content = {
        "format": FORMAT,
        "generator": state.generator.state_dict(),
        "discriminator": state.discriminator.state_dict(),
        "ema": state.ema.state_dict(),
        "optimizer_g": state.optimizer_g.state_dict(),
        "optimizer_d": state.optimizer_d.state_dict(),
        "sampler_position": state.sampler.position,
        "progress": vars(state.progress),
        "torch_rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    write_atomic(path, lambda partial: torch.save(content, partial))


def read(path: Path, device: torch.device) -> dict[str, Any]:
    """The content of a checkpoint file.

    Raises:
        DeepfieldError: the file is damaged, or no checkpoint of this version.
    """
    content = read_saved(path, "checkpoint", device)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DeepfieldError(f"{path} is not a checkpoint that this version of Deepfield wrote.")
    return content


def restore(path: Path, state: State, device: torch.device) -> None:
    """Put a checkpoint's content into a state of the same config.

    Raises:
        DeepfieldError: the file cannot be read, or holds other networks.
    """
    content = read(path, device)
    try:
        state.generator.load_state_dict(content["generator"])
        state.discriminator.load_state_dict(content["discriminator"])
        state.ema.load_state_dict(content["ema"])
    except RuntimeError:
        raise DeepfieldError(f"The checkpoint {path} holds networks of another shape than the run's config.") from None
    state.optimizer_g.load_state_dict(content["optimizer_g"])
    state.optimizer_d.load_state_dict(content["optimizer_d"])
    state.sampler.position = content["sampler_position"]
    state.progress = Progress(**content["progress"])
    torch.set_rng_state(content["torch_rng"].cpu())
    if content["cuda_rng"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([rng.cpu() for rng in content["cuda_rng"]])
