"""The training loop: L1 pretraining, then the adversarial phase, on one processor or, under torchrun, on several."""

import json
import math
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor

from manifests.errors import DeepfieldError, UsageError
from models import catalogue
from models.catalogue import NetworkConfig
from training import checkpoints
from training.checkpoints import State
from training.config import PhaseConfig, TrainConfig, from_dict, to_dict
from training.data import CropSampler
from training.files import write_atomic, write_text
from training.objectives import Objective
from training.pack import Pack, PackedFrame, hold_out
from training.palettes import FILE as PALETTES
from training.palettes import presets, save_palettes
from training.players import make_guide, make_objective
from training.pretrained import start_encoder
from training.processes import Place, agreed, computes_bf16, joined, stop_signals
from training.runlog import RunLog, sample_sheet, save_png
from training.scores import Scores, faithful_score, held_out_scores, measurable, scale_in, vivid_score
from training.step import take_step

# the file that keeps a phase's best generator, and what judges it
WEIGHTS = {"pretrain": "faithful.safetensors", "adversarial": "vivid.safetensors"}
_SCORE = {"pretrain": faithful_score, "adversarial": vivid_score}
_LOSSES = ("g_l1", "g_psnr", "g_adversarial", "g_content", "g_colour", "d_real", "d_made", "d_penalty", "spread")
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
    as if it had never stopped; otherwise the generator begins with the weights of `start`, where given.
    `on_progress(steps done, steps in all, a few words)` is called after every step.

    Raises:
        DeepfieldError: nothing to train on, a loss that is not a number, a collapse, a damaged or foreign checkpoint.
        TrainingInterrupted: SIGTERM or Ctrl-C; a checkpoint was saved.
        UsageError: the run folder is taken, the device is not there, or `start` is another network.
    """
    with joined(config.device) as place, stop_signals() as signals:
        learn_from, held_out, from_train = hold_out(pack, color_only=config.task == "colorizer")
        run = _start(config, pack, run_dir, place, learn_from, held_out, resume, start)
        progress, total = run.state.progress, config.pretrain.steps + config.adversarial.steps
        began = time.perf_counter() - progress.seconds
        try:
            while progress.phase != "done":
                phase: PhaseConfig = getattr(config, progress.phase)
                if progress.phase_step >= phase.steps or (phase.patience and progress.stale >= phase.patience):
                    _next_phase(run)
                    continue

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
        good = _good(run.folder) if _good(run.folder).exists() else _last(run.folder)
        raise DeepfieldError(
            f"Training stopped at step {progress.step}: it has collapsed, {what}. The last good state is {good}; try "
            "another gan.loss, a lower adversarial.lr_discriminator or a gan.gradient_penalty."
        )


def _save(run: _Run) -> None:
    """Write the checkpoint; the last one without a sign of collapse stays beside it as long as there are signs."""
    last, good = _last(run.folder), _good(run.folder)
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
    if resume:
        chosen = _check_same(config, pack, folder, place)
        checkpoints.restore(_last(folder), state, place.device)
    else:
        if start is None:
            chosen["encoder"] = start_encoder(state.generator, config.encoder)
        else:
            _check_network(start, config)
            chosen["start"] = f"{start.model} of snapshot {start.snapshot_id}"
            state.generator.load_state_dict(start.weights)
        state.ema.load_state_dict(state.generator.state_dict())
    guide = make_guide(config, pack, learn_from)
    objective = make_objective(config, state, place, guide)
    if place.rank == 0:
        if not resume:
            _describe(config, pack, folder, place, chosen)
            if guide:
                save_palettes(folder / PALETTES, presets(list(guide.palettes.values()), seed=config.seed))
        first = _held_out(config, state, pack, held_out, place)
        log = RunLog(folder, (*_LOSSES, *first), step=state.progress.step)
        if not resume:
            log.write(0, "start", 0.0, first)
    return _Run(config, pack, folder, place, held_out, state, objective, chosen["precision"], log)


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


def _describe(config: TrainConfig, pack: Pack, folder: Path, place: Place, chosen: dict[str, str]) -> None:
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
            **chosen,
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


def _check_same(config: TrainConfig, pack: Pack, folder: Path, place: Place) -> dict[str, str]:
    """Refuse other data or settings, which would be another run under an old name; returns what it had chosen."""
    described = read_run(folder)
    if described["pack"] != _identity(pack):
        raise UsageError(
            f"The run {folder.name} learnt from snapshot {described['pack']['snapshot_id']}, this pack is of "
            f"{pack.snapshot_id}: resume with --snapshot {described['pack']['snapshot_id']}."
        )
    if to_dict(described["config"]) != to_dict(config):
        raise UsageError(f"The settings differ from those that the run {folder.name} began with: resume it as it was.")
    return {"precision": described["environment"].get("precision") or _precision(config, place)}


def _last(folder: Path) -> Path:
    return folder / "checkpoints" / "last.pt"


def _good(folder: Path) -> Path:
    return folder / "checkpoints" / "good.pt"
