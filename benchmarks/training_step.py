"""How long a step of training takes, beside plain PyTorch on the same networks.

    python benchmarks/training_step.py [--recipe pix2pix_lab] [--steps N] [--set key=value ...]

A step of the adversarial phase at the recipe's full size, both players, on crops of drawn frames. The plain version is
what one writes first: float32, three separate calls of the discriminator, torch's default Adam, no running mean of the
weights; its networks, crops and losses are the same. Ours is what the recipe chooses on this machine: with precision
"auto" that is bfloat16 where the processor computes in it. The two take turns, step by step. Seconds are of the clock
and of CPU, all threads together; where other work shares the machine, only the latter can be compared. On CUDA the
clock is what counts, and the peak of memory is printed.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from torch.optim import Adam

from models import catalogue
from models.color import rgb_to_lab
from models.colouriser import AB_LIMIT
from models.unet import UNetConfig
from training import checkpoints
from training.config import TrainConfig
from training.data import CropSampler
from training.degradation import degrade
from training.pack import FrameInfo, Pack, open_pack
from training.pack_write import write_pack
from training.players import make_objective
from training.processes import Place, computes_bf16
from training.recipes import RECIPES
from training.settings import override, parse_assignments
from training.step import take_step


def main() -> None:
    """Print the seconds of a step, ours and plain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="pix2pix_lab", choices=[n for n in RECIPES if n != "default_colorizer"])
    parser.add_argument("--steps", type=int, default=5, help="steps of each that count, after one that does not")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe")
    options = parser.parse_args()
    config = override(RECIPES[options.recipe](), parse_assignments(["discriminator_first=0", *options.set]))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    bf16 = config.precision == "bf16" or (config.precision == "auto" and computes_bf16(device))
    with tempfile.TemporaryDirectory() as place:
        pack = drawn_pack(Path(place) / "pack", config.data.crop_px)
        steps = {"ours": our_step(config, pack, device, bf16), "plain": plain_step(config, pack, device)}
        seconds = in_turns(steps, options.steps, device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{os.cpu_count()} cores"
    size, batch = config.data.crop_px, config.data.batch
    print(f"{config.recipe}, batch {batch} of {size} px, torch {torch.__version__}, {name}")
    print(f"ours: {'bf16' if bf16 else 'fp32'}{', channels_last' if config.engine.channels_last else ''}")
    for which, (wall, cpu) in seconds.items():
        print(f"{which:5}  {wall:8.3f} s a step by the clock, {cpu:8.3f} s of CPU, {batch / wall:8.1f} crops a second")
    ratios = [seconds["plain"][kind] / seconds["ours"][kind] for kind in (0, 1)]
    print(f"plain over ours: {ratios[0]:.2f} by the clock, {ratios[1]:.2f} by CPU")
    if device.type == "cuda":
        print(f"peak memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB, both together")


def in_turns(steps: dict[str, Callable[[], None]], count: int, device: torch.device) -> dict[str, tuple[float, float]]:
    """Median seconds of the clock and of CPU, after a first turn that is not counted."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for _ in range(count + 1):
        for name, step in steps.items():
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            if device.type == "cuda":
                torch.cuda.synchronize()
            taken[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: tuple(np.median(rows[1:], axis=0).tolist()) for name, rows in taken.items()}


def our_step(config: TrainConfig, pack: Pack, device: torch.device, bf16: bool) -> Callable[[], None]:
    """A step as `deepfield train` takes it."""
    state = checkpoints.new_state(config, sampler(config, pack), device)
    state.progress.enter("adversarial")
    objective = make_objective(config, state, Place(device, 0, 1), None)

    def step() -> None:
        take_step(config, config.adversarial, state, objective, device, bf16=bf16)

    return step


def plain_step(config: TrainConfig, pack: Pack, device: torch.device) -> Callable[[], None]:
    """A step as it is written first: Isola et al. 2017 for colour, Ledig et al. 2017 with L1 for enlargement."""
    torch.manual_seed(config.seed)
    generator = catalogue.build(config.generator).to(device)
    judge = catalogue.build(config.discriminator).to(device)
    phase = config.adversarial
    optimizer_g = Adam(generator.parameters(), lr=phase.lr_generator, betas=config.betas)
    optimizer_d = Adam(judge.parameters(), lr=phase.lr_discriminator, betas=config.betas)
    crops = sampler(config, pack)
    colour = isinstance(config.generator, UNetConfig)

    def step() -> None:
        rgb = crops.next(device).rgb
        if colour:
            lab = rgb_to_lab(rgb)
            given, truth = lab[:, :1], lab[:, 1:] / AB_LIMIT
            made = generator(given) / AB_LIMIT
            real_seen, made_seen = (torch.cat((given / 50.0 - 1.0, ab), dim=1) for ab in (truth, made))
        else:
            truth, made = rgb, generator(degrade(rgb, config.generator.scale, config.data.degradation))
            real_seen, made_seen = truth * 2.0 - 1.0, made * 2.0 - 1.0
        optimizer_d.zero_grad()
        real, fake = judge(real_seen), judge(made_seen.detach())
        loss_d = 0.5 * (bce(real, 1.0) + bce(fake, 0.0))
        loss_d.backward()
        optimizer_d.step()
        optimizer_g.zero_grad()
        fooled = bce(judge(made_seen), 1.0)
        loss_g = config.adversarial_weight * fooled + config.l1_weight * F.l1_loss(made, truth)
        loss_g.backward()
        optimizer_g.step()

    return step


def bce(logits: torch.Tensor, aim: float) -> torch.Tensor:
    """Binary cross-entropy of logits that should all say the same."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, aim))


def sampler(config: TrainConfig, pack: Pack) -> CropSampler:
    """The crops of both."""
    data = config.data
    return CropSampler(
        pack, pack.frames, crop_px=data.crop_px, batch=data.batch, min_valid=data.min_valid, seed=config.seed
    )


def drawn_pack(folder: Path, crop_px: int) -> Pack:
    """A few frames of noise, a little larger than a crop."""
    rng = np.random.default_rng(0)
    side = crop_px + 32
    frames = (
        (
            FrameInfo(f"{number:064x}", "train", f"g{number}", f"{number}.png", True, True, "CC0-1.0"),
            rng.integers(0, 256, (side, side, 3), np.uint8),
            np.ones((side, side), np.bool_),
        )
        for number in range(8)
    )
    return open_pack(write_pack(folder, frames, snapshot_id="drawn", max_side_px=side))


if __name__ == "__main__":
    main()
