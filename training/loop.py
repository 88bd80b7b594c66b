"""The training loop: L1 pretraining, then the adversarial phase, on one processor or, under torchrun, on several."""

import json
import math
import platform
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Adam

from manifests.errors import DeepfieldError, UsageError
from models.catalogue import EnlargerConfig
from models.guided import GuidedUNetConfig
from training import checkpoints
from training.checkpoints import State
from training.config import PhaseConfig, TrainConfig, from_dict, to_dict
from training.data import CropSampler
from training.files import write_atomic, write_text
from training.objectives import ColorizerObjective, Objective, SuperresObjective
from training.pack import Pack, PackedFrame, hold_out
from training.palettes import FILE as PALETTES
from training.palettes import Guide, frame_palettes, presets, save_palettes
from training.processes import Place, agreed, joined, stop_signals
from training.runlog import RunLog, sample_sheet, save_png
from training.scores import Scores, faithful_score, held_out_scores, measurable, vivid_score

# the file that keeps a phase's best generator, and what judges it
WEIGHTS = {"pretrain": "faithful.safetensors", "adversarial": "vivid.safetensors"}
_SCORE = {"pretrain": faithful_score, "adversarial": vivid_score}
_LOSSES = ("g_l1", "g_adversarial", "d_real", "d_made")
_SAMPLES = 4

OnProgress = Callable[[int, int, str], None]


class TrainingInterrupted(DeepfieldError):
    """Somebody stopped the run; it can be resumed."""


@dataclass(frozen=True)
class RunResult:
    """What a finished run amounts to. `best` has, per phase, the score, its step and the held-out scores there."""

    run_dir: Path
    steps: int
    seconds: float
    best: dict[str, dict[str, Any]]
    held_out_from_train: bool


@dataclass(frozen=True)
class _Run:
    """What the parts of the loop share."""

    config: TrainConfig
    pack: Pack
    folder: Path
    place: Place
    held_out: tuple[PackedFrame, ...]
    state: State
    objective: Objective
    log: RunLog | None


def train(
    config: TrainConfig, pack: Pack, run_dir: Path, *, resume: bool = False, on_progress: OnProgress | None = None
) -> RunResult:
    """Train on a pack and leave everything in `run_dir`.

    Progress is measured on the `val` split or, where the snapshot has none, on groups held out of `train` (see
    `training.pack.hold_out`). With `resume` the run in `run_dir` goes on from its last checkpoint, to the same end
    as if it had never stopped. `on_progress(steps done, steps in all, a few words)` is called after every step.

    Raises:
        DeepfieldError: nothing to train on, a loss that is not a number, a damaged or foreign checkpoint.
        TrainingInterrupted: SIGTERM or Ctrl-C; a checkpoint was saved.
        UsageError: the run folder is taken, or the device is not there.
    """
    with joined(config.device) as place, stop_signals() as signals:
        learn_from, held_out, from_train = hold_out(pack, color_only=config.task == "colorizer")
        run = _start(config, pack, run_dir, place, learn_from, held_out, resume)
        progress, total = run.state.progress, config.pretrain.steps + config.adversarial.steps
        began = time.perf_counter() - progress.seconds
        try:
            while progress.phase != "done":
                phase: PhaseConfig = getattr(config, progress.phase)
                if progress.phase_step >= phase.steps or (phase.patience and progress.stale >= phase.patience):
                    _next_phase(run)
                    continue

                terms = _step(run, phase)
                progress.count_step(terms, time.perf_counter() - began)
                if on_progress:
                    on_progress(progress.step, total, progress.phase)

                at_end = progress.phase_step == phase.steps
                evaluate = at_end or progress.phase_step % config.eval_every == 0
                report = evaluate or progress.phase_step % config.log_every == 0
                stop = agreed(len(signals), place) > 0
                if report or stop:
                    means = _finite_means(run)
                if report:
                    row = means | (_evaluate(run) if evaluate else {})
                    progress.clear_sums()
                    if run.log:
                        run.log.write(progress.step, progress.phase, progress.seconds, row)
                if run.log and (evaluate or stop):
                    checkpoints.save(_last(run_dir), run.state)
                if stop:
                    raise TrainingInterrupted(
                        f"Training stopped at step {progress.step} of {total} and saved its state; "
                        f"go on with: --resume {run_dir.name}"
                    )
        finally:
            if run.log:
                run.log.close()
        return RunResult(run_dir, progress.step, progress.seconds, progress.best, from_train)


def _step(run: _Run, phase: PhaseConfig) -> dict[str, Tensor]:
    """One step of the players whose turn it is; returns their loss terms."""
    config, state, progress = run.config, run.state, run.state.progress
    adversarial = progress.phase == "adversarial"
    generator_learns = not adversarial or progress.phase_step >= config.discriminator_first
    _set_rates(state, phase, progress.phase_step)

    example = run.objective.prepare(state.sampler.next(run.place.device))
    with torch.set_grad_enabled(generator_learns), _precision(run):
        made = run.objective.generator(example.given, *example.guidance)
    terms: dict[str, Tensor] = {}
    if adversarial:
        state.discriminator.requires_grad_(True)
        with _precision(run):
            judged = run.objective.discriminator_terms(example, made)
        _descend(state.optimizer_d, judged)
        state.discriminator.requires_grad_(False)
        terms |= judged
    if generator_learns:
        with _precision(run):
            made_terms = run.objective.generator_terms(example, made, adversarial=adversarial)
        _descend(state.optimizer_g, made_terms)
        # a mean over few steps at first, or it would remember the start
        warm = (1 + progress.phase_step) / (10 + progress.phase_step)
        _follow(state.ema, state.generator, min(config.ema_decay, warm))
        terms |= made_terms
    return {name: value.detach() for name, value in terms.items()}


def _descend(optimizer: Adam, terms: dict[str, Tensor]) -> None:
    optimizer.zero_grad(set_to_none=True)
    torch.stack(list(terms.values())).sum().backward()
    optimizer.step()


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


def _precision(run: _Run) -> AbstractContextManager[Any]:
    return torch.autocast(run.place.device.type, torch.bfloat16, enabled=run.config.precision == "bf16")


def _finite_means(run: _Run) -> dict[str, float]:
    """Mean loss terms since the last row of the log."""
    progress = run.state.progress
    means = {name: float(total) / progress.counts[name] for name, total in progress.sums.items()}
    broken = sorted(name for name, value in means.items() if not math.isfinite(value))
    if broken:
        raise DeepfieldError(
            f"Training stopped at step {progress.step}: the loss {broken[0]} is not a finite number any more. The last "
            f"good state is {_last(run.folder)}; try lower learning rates (--set {progress.phase}.lr_generator=...)."
        )
    return means


def _evaluate(run: _Run) -> Scores:
    """Score the running mean on the held-out frames; where it is the phase's best so far, keep its weights."""
    progress = run.state.progress
    scores: Scores = {}
    if run.place.rank == 0:
        scores = _held_out(run.config, run.state, run.pack, run.held_out, run.place)
        score = _SCORE[progress.phase](run.config.task, scores)
        if not math.isfinite(score):
            raise DeepfieldError(f"Training stopped at step {progress.step}: the held-out score is not a number.")
        best = progress.best.get(progress.phase)
        progress.stale += 1
        if best is None or score < best["score"]:
            weights = {name: value.contiguous() for name, value in run.state.ema.state_dict().items()}
            write_atomic(run.folder / WEIGHTS[progress.phase], lambda partial: save_file(weights, str(partial)))
            progress.best[progress.phase] = {"score": score, "step": progress.step, "scores": scores}
            progress.stale = 0
        samples = run.held_out[:_SAMPLES]
        sheet = sample_sheet(
            run.config.task, run.state.ema, run.pack, samples, run.config.data.degradation, run.place.device
        )
        save_png(run.folder / "samples" / f"{progress.step:07d}.png", sheet)
        if run.log:
            run.log.picture(progress.step, sheet)
    progress.stale = agreed(progress.stale, run.place)
    return scores


def _held_out(config: TrainConfig, state: State, pack: Pack, frames: tuple[PackedFrame, ...], place: Place) -> Scores:
    return held_out_scores(config.task, state.ema, pack, frames, config.data.degradation, place.device)


def _next_phase(run: _Run) -> None:
    """The adversarial phase starts from the best of the first, with fresh optimisers; then the run is done."""
    state, progress = run.state, run.state.progress
    if progress.phase == "adversarial":
        progress.enter("done")
        if run.log:
            checkpoints.save(_last(run.folder), state)
        return
    if run.place.world > 1:
        dist.barrier()
    if run.config.pretrain.steps:
        best = load_file(run.folder / WEIGHTS["pretrain"], device=str(run.place.device))
        state.generator.load_state_dict(best)
        state.ema.load_state_dict(best)
    state.optimizer_g = Adam(state.generator.parameters(), lr=1.0, betas=run.config.betas)
    progress.enter("adversarial")


def _start(
    config: TrainConfig,
    pack: Pack,
    folder: Path,
    place: Place,
    learn_from: tuple[PackedFrame, ...],
    held_out: tuple[PackedFrame, ...],
    resume: bool,
) -> _Run:
    """Fresh or restored state, the run's folder, its log."""
    held_out = measurable(pack, held_out)[: config.held_out_frames]
    if not held_out:
        raise DeepfieldError(f"No held-out frame of snapshot {pack.snapshot_id} is large enough to be measured.")
    if config.data.batch % place.world:
        raise UsageError(f"data.batch {config.data.batch} cannot be shared by {place.world} processes evenly.")
    sampler = CropSampler(
        pack,
        learn_from,
        crop_px=config.data.crop_px,
        batch=config.data.batch,
        min_valid=config.data.min_valid,
        seed=config.seed,
        rank=place.rank,
        world=place.world,
    )
    state = checkpoints.new_state(config, sampler, place.device)
    if resume:
        _check_same(config, pack, folder)
        checkpoints.restore(_last(folder), state, place.device)
    log = None
    if place.rank == 0:
        if not resume:
            _describe(config, pack, folder, place)
        first = _held_out(config, state, pack, held_out, place)
        log = RunLog(folder, (*_LOSSES, *first), step=state.progress.step)
        if not resume:
            log.write(0, "start", 0.0, first)
    guide = _guide(config, pack, learn_from, folder, place)
    return _Run(config, pack, folder, place, held_out, state, _objective(config, state, place, guide), log)


def _objective(config: TrainConfig, state: State, place: Place, guide: Guide | None) -> Objective:
    """The task's objective on the state's networks, which are synchronised where there are several processes."""
    generator, discriminator = state.generator, state.discriminator
    if place.world > 1:
        generator, discriminator = DistributedDataParallel(generator), DistributedDataParallel(discriminator)
    weights = {"l1_weight": config.l1_weight, "adversarial_weight": config.adversarial_weight}
    if isinstance(config.generator, EnlargerConfig):
        return SuperresObjective(
            generator, discriminator, scale=config.generator.scale, degradation=config.data.degradation, **weights
        )
    return ColorizerObjective(generator, discriminator, guide=guide, **weights)


def _guide(
    config: TrainConfig, pack: Pack, frames: tuple[PackedFrame, ...], folder: Path, place: Place
) -> Guide | None:
    """The palettes to train by, where the generator takes some; presets made of them go into the run's folder."""
    if not isinstance(config.generator, GuidedUNetConfig):
        return None
    palettes = frame_palettes(pack, frames, config.generator.surround_px)
    if place.rank == 0:
        save_palettes(folder / PALETTES, presets(list(palettes.values()), seed=config.seed))
    return Guide(palettes, config.guided)


def _describe(config: TrainConfig, pack: Pack, folder: Path, place: Place) -> None:
    """Write what the run is, before its first step."""
    if (folder / "config.json").exists():
        raise UsageError(f"{folder} holds a run already: resume it, or choose another --run name.")
    described = {
        "config": to_dict(config),
        "pack": _identity(pack),
        "licences": sorted({frame.licence for frame in pack.frames if frame.licence}),
        "environment": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "device": torch.cuda.get_device_name(place.device) if place.device.type == "cuda" else "cpu",
            "processes": place.world,
            "threads": torch.get_num_threads(),
        },
    }
    write_text(folder / "config.json", json.dumps(described, indent=1) + "\n")


def _identity(pack: Pack) -> dict[str, Any]:
    return {"snapshot_id": pack.snapshot_id, "max_side_px": pack.max_side_px, "frames": len(pack.frames)}


def read_run(folder: Path) -> dict[str, Any]:
    """What a run's config.json says: `config` (a TrainConfig), `pack`, `licences`, `environment`.

    Raises:
        DeepfieldError: the folder holds no run, or its description is damaged.
    """
    path = folder / "config.json"
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DeepfieldError(f"{folder} holds no training run: config.json is missing.") from None
    except ValueError as error:
        raise DeepfieldError(f"{path} is damaged ({error}): start the run anew.") from None
    if not isinstance(described, dict) or not {"config", "pack", "licences", "environment"} <= described.keys():
        raise DeepfieldError(f"{path} does not describe a training run.")
    return described | {"config": from_dict(described["config"])}


def _check_same(config: TrainConfig, pack: Pack, folder: Path) -> None:
    """Resuming on other data or settings would be another run under an old name."""
    described = read_run(folder)
    if described["pack"] != _identity(pack):
        raise UsageError(
            f"The run {folder.name} learnt from snapshot {described['pack']['snapshot_id']}, this pack is of "
            f"{pack.snapshot_id}: resume with --snapshot {described['pack']['snapshot_id']}."
        )
    if asdict(described["config"]) != asdict(config):
        raise UsageError(f"The settings differ from those that the run {folder.name} began with: resume it as it was.")


def _last(folder: Path) -> Path:
    return folder / "checkpoints" / "last.pt"
