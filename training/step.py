"""One step of training: the players whose turn it is each go down their terms once."""

import math
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

from training.checkpoints import State
from training.config import PhaseConfig, TrainConfig
from training.losses import spread
from training.objectives import Example, Objective, Terms


def take_step(
    config: TrainConfig, phase: PhaseConfig, state: State, objective: Objective, device: torch.device, *, bf16: bool
) -> Terms:
    """Draw a batch, and let discriminator and generator learn from it; returns their terms, detached.

    With them goes `spread`, of what the generator made in the adversarial phase (see `training.losses.spread`).
    """
    progress = state.progress
    adversarial = progress.phase == "adversarial"
    generator_learns = not adversarial or progress.phase_step >= config.discriminator_first
    _set_rates(state, phase, progress.phase_step)

    def precision() -> AbstractContextManager[Any]:
        return torch.autocast(device.type, torch.bfloat16, enabled=bf16)

    def generate(part: Example, *, learns: bool) -> Tensor:
        with torch.set_grad_enabled(learns), precision():
            return objective.generator(part.given, *part.guidance)

    parts = objective.prepare(state.sampler.next(device)).parts(config.engine.accumulate)
    # a single part serves both players; the graphs of several would not fit, so they are made again
    shared = generate(parts[0], learns=generator_learns) if len(parts) == 1 else None
    sums: Terms = {}
    if adversarial:
        state.discriminator.requires_grad_(True)
        for part in parts:
            made = generate(part, learns=False) if shared is None else shared
            with precision():
                terms = objective.discriminator_terms(part, made)
            _add_gradients(terms, sums, len(parts))
        _descend(state.optimizer_d, state.discriminator, config.engine.clip)
        state.discriminator.requires_grad_(False)
    if generator_learns:
        for part in parts:
            made = generate(part, learns=True) if shared is None else shared
            with precision():
                terms = objective.generator_terms(part, made, adversarial=adversarial)
            _add_gradients(terms, sums, len(parts))
            if adversarial:
                _add({"spread": spread(made, part.truth, part.valid)}, sums, len(parts))
        _descend(state.optimizer_g, state.generator, config.engine.clip)
        # a mean over few steps at first, or it would remember the start
        warm = (1 + progress.phase_step) / (10 + progress.phase_step)
        _follow(state.ema, state.generator, min(config.ema_decay, warm))
    return sums


def _add_gradients(terms: Terms, sums: Terms, parts: int) -> None:
    """Go back through the sum of the terms of one of so many parts."""
    (torch.stack(list(terms.values())).sum() / parts).backward()
    _add(terms, sums, parts)


def _add(terms: Terms, sums: Terms, parts: int) -> None:
    for name, value in terms.items():
        share = value.detach() / parts
        sums[name] = sums[name] + share if name in sums else share


def _descend(optimizer: Adam, network: nn.Module, clip: float) -> None:
    if clip:
        nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


@torch.no_grad()
def _follow(ema: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the running mean of the weights a step; buffers are copied."""
    for mean, value in zip(ema.parameters(), network.parameters(), strict=True):
        mean.lerp_(value, 1.0 - decay)
    for kept, now in zip(ema.buffers(), network.buffers(), strict=True):
        kept.copy_(now)


def _set_rates(state: State, phase: PhaseConfig, step: int) -> None:
    share = 1.0 if phase.decay == "constant" else 0.5 + 0.5 * math.cos(math.pi * step / phase.steps)
    for optimizer, rate in ((state.optimizer_g, phase.lr_generator), (state.optimizer_d, phase.lr_discriminator)):
        for group in optimizer.param_groups:
            group["lr"] = rate * share
