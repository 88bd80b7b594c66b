"""The training loop: L1 pretraining, then the adversarial phase, on one processor or, under torchrun, on several."""

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor

from manifests.errors import DeepfieldError, UsageError
from models import catalogue
from models.catalogue import NetworkConfig
from training import checkpoints
from training.checkpoints import State
from training.config import PhaseConfig, TrainConfig
from training.data import CropSampler
from training.files import write_atomic
from training.objectives import Objective
from training.pack import Pack, PackedFrame, hold_out
from training.palettes import FILE as PALETTES
from training.palettes import presets, save_palettes
from training.players import make_guide, make_objective
from training.pretrained import start_encoder
from training.processes import Place, agreed, computes_bf16, joined, stop_signals
from training.run_folder import SAMPLES, WEIGHTS, check_same, describe, good_checkpoint, last_checkpoint, make_way
from training.runlog import RunLog, sample_sheet, save_png
from training.scores import Scores, faithful_score, held_out_scores, measurable, scale_in, vivid_score
from training.step import take_step

_LOSSES = (
    "g_l1",
    "g_psnr",
    "g_spurious",
    "g_adversarial",
    "g_content",
    "g_colour",
    "d_real",
    "d_made",
    "d_penalty",
    "spread",
)
_SAMPLES = 4
# signs of collapse: what is made hardly varies, or the discriminator is hardly ever wrong
_LEAST_SPREAD, _LEAST_DOUBT = 1e-3, 1e-3

OnProgress = Callable[[int, int, str], None]


class TrainingInterrupted(DeepfieldError):
    """Somebody stopped the run; it can be resumed."""


@dataclass(frozen=True)
class Start:
    """Weights for a generator to start from: of which model, what that learnt from, its recipe and network, tensors."""

    model: str
    snapshot_id: str
    recipe: str
    network: NetworkConfig
    weights: dict[str, Tensor]


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
    precision: str
    log: RunLog | None


def train(
    config: TrainConfig,
    pack: Pack,
    run_dir: Path,
    *,
    resume: bool = False,
    start: Start | None = None,
    on_progress: OnProgress | None = None,
) -> RunResult:
    """Train on a pack and leave everything in `run_dir`.

    Progress is measured on the `val` split or, where the snapshot has none, on groups held out of `train` (see
    `training.pack.hold_out`). With `resume` the run in `run_dir` goes on from its last checkpoint, to the same end
    as if it had never stopped; otherwise the generator begins with the weights of `start`, where given. A run that
    has no checkpoint and no weights yet is begun again either way.
    `on_progress(steps done, steps in all, a few words)` is called after every step.

    Raises:
        DeepfieldError: nothing to train on, a loss that is not a number, a collapse, a damaged or foreign checkpoint.
        TrainingInterrupted: SIGTERM or Ctrl-C; a checkpoint was saved.
        UsageError: the run folder is taken, the device is not there, `start` is another network, or the pack was made
            at another size than the config's `data.frame_px`.
    """
    with joined(config.device) as place, stop_signals() as signals:
        learn_from, held_out, from_train = hold_out(pack, color_only=config.task == "colorizer")
        if config.task == "superres":
            learn_from = _that_fill_crops(learn_from, config.data.crop_px)
        run = _start(config, pack, run_dir, place, learn_from, held_out, resume, start)
        progress, total = run.state.progress, config.pretrain.steps + config.adversarial.steps
        began = time.perf_counter() - progress.seconds
        try:
            while progress.phase != "done":
                phase: PhaseConfig = getattr(config, progress.phase)
                if progress.phase_step >= phase.steps or (phase.patience and progress.stale >= phase.patience):
                    _next_phase(run)
                    continue

                if place.rank:
                    # a checkpoint keeps the random state of the first process; that of the others follows from the step
                    own = np.random.SeedSequence([config.seed, 2, place.rank, progress.step])
                    torch.manual_seed(int(own.generate_state(1, np.uint64)[0]))
                terms = take_step(config, phase, run.state, run.objective, place.device, bf16=run.precision == "bf16")
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
                    _watch_for_collapse(run, means)
                if run.log and (evaluate or stop):
                    _save(run)
                if stop:
                    raise TrainingInterrupted(
                        f"Training stopped at step {progress.step} of {total}, its state is saved."
                    )
        finally:
            if run.log:
                run.log.close()
        return RunResult(run_dir, progress.step, progress.seconds, progress.best, from_train)


def _that_fill_crops(frames: tuple[PackedFrame, ...], crop_px: int) -> tuple[PackedFrame, ...]:
    """The frames that hold a whole crop, where there are any: smaller ones, seen whole each time, are learnt by heart.

    In 2,000 steps two thumbnails of 100 px gained 8 and 10 dB, and the median of the others lost.
    """
    large = tuple(frame for frame in frames if min(frame.height, frame.width) >= crop_px)
    return large or frames


def _finite_means(run: _Run) -> dict[str, float]:
    """Mean loss terms since the last row of the log."""
    progress = run.state.progress
    means = {name: float(total) / progress.counts[name] for name, total in progress.sums.items()}
    broken = sorted(name for name, value in means.items() if not math.isfinite(value))
    if broken:
        raise DeepfieldError(
            f"Training stopped at step {progress.step}: the loss {broken[0]} is not a finite number any more. The last "
            f"good state is {last_checkpoint(run.folder)}; try lower learning rates (--set "
            f"{progress.phase}.lr_generator=...)."
        )
    return means


def _watch_for_collapse(run: _Run, means: dict[str, float]) -> None:
    """Stop an adversarial phase that has shown signs of collapse in every one of the last rows of the log."""
    progress, rows = run.state.progress, run.config.collapse_rows
    dull = means.get("spread", 1.0) < _LEAST_SPREAD
    # the loss of WGAN-GP is a distance without a zero that would mean anything
    bounded = "d_real" in means and run.config.gan.loss != "wgan_gp"
    sure = bounded and means["d_real"] + means["d_made"] < _LEAST_DOUBT
    progress.suspect = agreed(progress.suspect + 1 if dull or sure else 0, run.place)
    if rows and progress.suspect >= rows:
        what = "the generator makes the same of everything" if dull else "the discriminator is never wrong any more"
        good = good_checkpoint(run.folder) if good_checkpoint(run.folder).exists() else last_checkpoint(run.folder)
        raise DeepfieldError(
            f"Training stopped at step {progress.step}: it has collapsed, {what}. The last good state is {good}; try "
            "another gan.loss, a lower adversarial.lr_discriminator or a gan.gradient_penalty."
        )


def _save(run: _Run) -> None:
    """Write the checkpoint; the last one without a sign of collapse stays beside it as long as there are signs."""
    last, good = last_checkpoint(run.folder), good_checkpoint(run.folder)
    if run.state.progress.suspect and last.exists() and not good.exists():
        write_atomic(good, lambda partial: shutil.copyfile(last, partial))
    checkpoints.save(last, run.state)
    if not run.state.progress.suspect:
        good.unlink(missing_ok=True)


def _evaluate(run: _Run) -> Scores:
    """Score the running mean on the held-out frames; where it is the phase's best so far, keep its weights."""
    progress = run.state.progress
    scores: Scores = {}
    if run.place.rank == 0:
        scores = _held_out(run.config, run.state, run.pack, run.held_out, run.place)
        score = _score(run.config, progress.phase, scores)
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
        save_png(run.folder / SAMPLES / f"{progress.step:07d}.png", sheet)
        if run.log:
            run.log.picture(progress.step, sheet)
    progress.stale = agreed(progress.stale, run.place)
    return scores


def _score(config: TrainConfig, phase: str, scores: Scores) -> float:
    """What judges a phase's generators, lower is better."""
    if phase == "adversarial":
        return vivid_score(config.task, scores)
    return faithful_score(config.task, scores, config.spurious_weight)


def _held_out(config: TrainConfig, state: State, pack: Pack, frames: tuple[PackedFrame, ...], place: Place) -> Scores:
    return held_out_scores(config.task, state.ema, pack, frames, config.data.degradation, place.device)


def _next_phase(run: _Run) -> None:
    """The adversarial phase starts from the best of the first, with fresh optimisers; then the run is done."""
    state, progress = run.state, run.state.progress
    if progress.phase == "adversarial":
        progress.enter("done")
        if run.log:
            _save(run)
        return
    if run.place.world > 1:
        dist.barrier()
    if run.config.pretrain.steps:
        best = load_file(run.folder / WEIGHTS["pretrain"], device=str(run.place.device))
        state.generator.load_state_dict(best)
        state.ema.load_state_dict(best)
    state.optimizer_g = checkpoints.optimizer(state.generator, run.config.betas)
    progress.enter("adversarial")


def _start(
    config: TrainConfig,
    pack: Pack,
    folder: Path,
    place: Place,
    learn_from: tuple[PackedFrame, ...],
    held_out: tuple[PackedFrame, ...],
    resume: bool,
    start: Start | None,
) -> _Run:
    """Fresh or restored state, the run's folder, its log."""
    if pack.max_side_px != config.data.frame_px:
        raise UsageError(
            f"The pack {pack.folder} was made at {pack.max_side_px} px, and {config.recipe} is to learn from frames of "
            f"{config.data.frame_px} px: make one with `deepfield pack --size {config.data.frame_px}`, or add --set "
            f"data.frame_px={pack.max_side_px}."
        )
    fit = measurable(pack, held_out, scale_in(config.generator), config.data.degradation)
    held_out = fit[: config.held_out_frames]
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
    log, chosen = None, {"precision": _precision(config, place)}
    settled = check_same(config, pack, folder) if resume else {}
    goes_on = resume and last_checkpoint(folder).exists()
    if goes_on:
        # runs of earlier versions do not name it
        chosen["precision"] = settled.get("precision") or chosen["precision"]
    else:
        if start is None and "start" in settled:
            raise UsageError(
                f"The run {folder.name} has no checkpoint, and began with the weights of {settled['start']}: begin it "
                "again by its first command."
            )
        chosen |= _first_weights(config, state, start)
    guide = make_guide(config, pack, learn_from)
    objective = make_objective(config, state, place, guide)
    if goes_on:
        # last, as to make a loss may draw numbers, and the state of the random generator comes back too
        checkpoints.restore(last_checkpoint(folder), state, place.device)
    if place.rank == 0:
        if not goes_on:
            make_way(folder)
            describe(config, pack, folder, place, chosen)
            if guide:
                save_palettes(folder / PALETTES, presets(list(guide.palettes.values()), seed=config.seed))
            # a run that is killed has something to go on from at any moment
            checkpoints.save(last_checkpoint(folder), state)
        first = _held_out(config, state, pack, held_out, place)
        begins = state.progress.step == 0
        log = RunLog(folder, (*_LOSSES, *first), step=-1 if begins else state.progress.step)
        if begins:
            log.write(0, "start", 0.0, first)
    return _Run(config, pack, folder, place, held_out, state, objective, chosen["precision"], log)


def _first_weights(config: TrainConfig, state: State, start: Start | None) -> dict[str, str]:
    """Give the generator the weights that it begins with; returns which they are."""
    if start is None:
        which = {"encoder": start_encoder(state.generator, config.encoder)}
    else:
        _check_network(start, config)
        which = {"start": f"{start.model} of snapshot {start.snapshot_id}"}
        state.generator.load_state_dict(start.weights)
    state.ema.load_state_dict(state.generator.state_dict())
    return which


def _check_network(start: Start, config: TrainConfig) -> None:
    """Refuse to start a generator from the weights of another network."""
    has, wanted = catalogue.to_dict(start.network), catalogue.to_dict(config.generator)
    if has["network"] != wanted["network"]:
        raise UsageError(
            f"{start.model} is of the network {has['network']}, the recipe's generator {wanted['network']}: choose a "
            f"recipe of the same network, such as its own, --recipe {start.recipe}."
        )
    apart = [f"--set generator.{key}={_as_setting(value)}" for key, value in has.items() if value != wanted.get(key)]
    if apart:
        raise UsageError(f"The recipe's generator differs from {start.model}: add {' '.join(apart)}.")


def _as_setting(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _precision(config: TrainConfig, place: Place) -> str:
    if config.precision != "auto":
        return config.precision
    return "bf16" if computes_bf16(place.device) else "fp32"
