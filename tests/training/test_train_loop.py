import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from forked import Forked
from safetensors.torch import load_file
from tiny import drawn, info, tiny_config, tiny_pack

from manifests.errors import DeepfieldError, UsageError
from training.data import CropSampler
from training.degradation import AREA
from training.loop import TrainingInterrupted, train
from training.pack import open_pack
from training.pack_write import write_pack
from training.recipes import make_config
from training.registry import load_model, start_from
from training.run_folder import read_run
from training.runlog import save_png
from training.scores import held_out_scores, measurable

ROOT = Path(__file__).parents[2]


def rows(run_dir: Path) -> list[dict[str, str]]:
    with (run_dir / "metrics.csv").open(newline="") as handle:
        # the clock is the one thing that may differ
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(handle)]


def interrupt_at(step: int):
    def progress(done: int, total: int, phase: str) -> None:
        if done == step:
            os.kill(os.getpid(), signal.SIGTERM)

    return progress


@pytest.mark.parametrize("task", ["colorizer", "superres"])
def test_a_run_leaves_everything_it_promises(pack, tmp_path, task):
    seen = []
    result = train(tiny_config(task), pack, tmp_path / "run", on_progress=lambda *words: seen.append(words))
    assert result.steps == 12
    assert seen[0] == (1, 12, "pretrain")
    assert seen[-1] == (12, 12, "adversarial")
    assert set(result.best) == {"pretrain", "adversarial"}
    for name in ("config.json", "metrics.csv", "faithful.safetensors", "vivid.safetensors", "checkpoints/last.pt"):
        assert (result.run_dir / name).stat().st_size > 0
    assert [path.name for path in sorted((result.run_dir / "samples").iterdir())] == [
        f"{step:07d}.png" for step in (3, 6, 9, 12)
    ]
    assert any((result.run_dir / "events").iterdir())
    logged = rows(result.run_dir)
    assert [int(row["step"]) for row in logged] == [0, 2, 3, 4, 6, 8, 9, 10, 12]
    assert all(row["g_l1"] for row in logged[1:5])
    assert all(row["d_real"] for row in logged[5:])
    # the discriminator alone learns in the first two steps of the second phase
    assert [bool(row["g_adversarial"]) for row in logged[5:]] == [False, True, True, True]


# everything that draws numbers, keeps state or changes the order of sums
OPTIONS = {
    "gan": {"loss": "relativistic", "gradient_penalty": 0.1, "translation": 0.2, "cutout": 0.3},
    "engine": {"accumulate": 2, "clip": 1.0, "channels_last": True},
    "data": {"degradation": {"kind": "bicubic", "psf_sigma_px": 0.7, "noise_dn": 2.0}},
}


@pytest.mark.parametrize(
    ("task", "stop", "options"),
    [
        ("colorizer", 1, {}),
        ("colorizer", 6, {}),
        ("superres", 11, {}),
        ("colorizer", 9, OPTIONS | {"precision": "bf16"}),
        ("superres", 7, OPTIONS),
        ("superres", 4, {"pretrain_loss": "psnr", "spurious_weight": 30.0}),
    ],
)
def test_stop_and_resume_equals_no_stop_bit_for_bit(pack, tmp_path, task, stop, options):
    config = tiny_config(task, **options)
    through = train(config, pack, tmp_path / "through")
    with pytest.raises(TrainingInterrupted, match=f"step {stop} of 12, its state is saved"):
        train(config, pack, tmp_path / "stopped", on_progress=interrupt_at(stop))
    resumed = train(config, pack, tmp_path / "stopped", resume=True)
    assert resumed.best == through.best
    assert rows(tmp_path / "stopped") == rows(tmp_path / "through")
    for name in ("faithful.safetensors", "vivid.safetensors"):
        ours, theirs = load_file(tmp_path / "stopped" / name), load_file(tmp_path / "through" / name)
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    ours, theirs = (
        torch.load(tmp_path / name / "checkpoints" / "last.pt", weights_only=True) for name in ("stopped", "through")
    )
    for part in ("generator", "discriminator", "ema"):
        assert all(torch.equal(ours[part][key], theirs[part][key]) for key in theirs[part])
    for part in ("optimizer_g", "optimizer_d"):
        for index, state in theirs[part]["state"].items():
            assert all(torch.equal(ours[part]["state"][index][key], value) for key, value in state.items())


def test_a_run_with_a_content_loss_goes_on_as_if_it_never_stopped(pack, tmp_path, vgg):
    # to make the loss draws numbers too, and the judge is shown what was drawn
    config = tiny_config(content={"weight": 0.1, "weights": str(vgg)}, gan={"translation": 0.2, "cutout": 0.3})
    train(config, pack, tmp_path / "through")
    with pytest.raises(TrainingInterrupted):
        train(config, pack, tmp_path / "stopped", on_progress=interrupt_at(9))
    train(config, pack, tmp_path / "stopped", resume=True)
    assert same_runs(tmp_path / "stopped", tmp_path / "through")


class Killed(Exception):
    pass


def kill_at(step: int):
    def progress(done: int, total: int, phase: str) -> None:
        if done == step:
            raise Killed

    return progress


def same_runs(one: Path, other: Path) -> bool:
    """Whether two runs logged the same and came to the same weights."""
    weights = [
        [load_file(run / name) for name in ("faithful.safetensors", "vivid.safetensors")] for run in (one, other)
    ]
    pairs = list(zip(*weights, strict=True))
    return rows(one) == rows(other) and all(
        torch.equal(ours[key], theirs[key]) for ours, theirs in pairs for key in theirs
    )


def test_a_run_that_was_killed_before_its_first_evaluation_goes_on_with_the_weights_it_began_with(pack, tmp_path):
    first = train(tiny_config(seed=4), pack, tmp_path / "first")
    start = start_from(tmp_path, first.run_dir, "colorizer")
    train(tiny_config(), pack, tmp_path / "through", start=start)
    with pytest.raises(Killed):
        train(tiny_config(), pack, tmp_path / "killed", start=start, on_progress=kill_at(2))
    train(tiny_config(), pack, tmp_path / "killed", resume=True)
    assert same_runs(tmp_path / "killed", tmp_path / "through")


@pytest.mark.parametrize("resume", [True, False])
def test_a_run_that_has_no_checkpoint_is_begun_again(pack, tmp_path, resume):
    train(tiny_config(), pack, tmp_path / "through")
    killed = tmp_path / "killed"
    with pytest.raises(Killed):
        train(tiny_config(), pack, killed, on_progress=kill_at(2))
    shutil.rmtree(killed / "checkpoints")
    save_png(killed / "samples" / "0000001.png", drawn(0)[0])
    train(tiny_config(), pack, killed, resume=resume)
    assert same_runs(killed, tmp_path / "through")
    assert not (killed / "samples" / "0000001.png").exists()


def test_a_run_without_checkpoint_is_not_begun_again_from_other_weights(pack, tmp_path):
    start = start_from(tmp_path, train(tiny_config(), pack, tmp_path / "first").run_dir, "colorizer")
    with pytest.raises(Killed):
        train(tiny_config(), pack, tmp_path / "killed", start=start, on_progress=kill_at(2))
    shutil.rmtree(tmp_path / "killed" / "checkpoints")
    with pytest.raises(UsageError, match=r"began with the weights of first@run .*begin it again by its first command"):
        train(tiny_config(), pack, tmp_path / "killed", resume=True)


def test_a_run_that_was_killed_drops_what_it_wrote_after_its_checkpoint(pack, tmp_path):
    config = tiny_config()
    train(config, pack, tmp_path / "through")
    with pytest.raises(TrainingInterrupted):
        train(config, pack, tmp_path / "killed", on_progress=interrupt_at(7))
    with (tmp_path / "killed" / "metrics.csv").open("a") as handle:
        handle.write("8,adversarial,1.00,99\n9,adver")
    train(config, pack, tmp_path / "killed", resume=True)
    assert rows(tmp_path / "killed") == rows(tmp_path / "through")


def test_a_run_starts_from_the_weights_of_a_model_and_says_which(pack, tmp_path):
    config = tiny_config("superres")
    first = train(config, pack, tmp_path / "first")
    start = start_from(tmp_path, first.run_dir, "superres")
    by_psnr = replace(config, pretrain_loss="psnr", spurious_weight=30.0)
    again = train(by_psnr, pack, tmp_path / "again", start=start)
    logged = rows(again.run_dir)
    network, frames = load_model(tmp_path, first.run_dir).network(0.0), pack.select("val", color_only=False)
    scored = held_out_scores("superres", network, pack, measurable(pack, frames, 2, AREA), AREA, torch.device("cpu"))
    assert float(logged[0]["psnr_y_crop2"]) == pytest.approx(scored["psnr_y_crop2"], abs=1e-4)
    assert (logged[1]["g_l1"], float(logged[1]["g_psnr"]) < -10.0) == ("", True)
    assert float(logged[1]["g_spurious"]) >= 0.0
    best = again.best["pretrain"]
    assert best["score"] == pytest.approx(30.0 * best["scores"]["spurious"] - best["scores"]["psnr_y_crop2"])
    assert read_run(again.run_dir)["environment"]["start"] == "first@run of snapshot snap"


def test_a_run_does_not_start_from_another_network(pack, tmp_path):
    train(tiny_config("superres"), pack, tmp_path / "first")
    start = start_from(tmp_path, tmp_path / "first", "superres")
    wider = tiny_config("superres", generator={"width": 6})
    with pytest.raises(UsageError, match=r"differs from first@run: add --set generator.width=4\."):
        train(wider, pack, tmp_path / "wider", start=start)
    other = make_config("superres", "edsr", None, ["generator.scale=2", "data.crop_px=32", "data.frame_px=80"])
    with pytest.raises(
        UsageError, match=r"of the network srresnet, the recipe's generator edsr: .*--recipe demo_superres"
    ):
        train(other, pack, tmp_path / "edsr", start=start)
    with pytest.raises(UsageError, match="is a superres model"):
        start_from(tmp_path, tmp_path / "first", "colorizer")


def test_another_seed_gives_another_run(pack, tmp_path):
    first = train(tiny_config(), pack, tmp_path / "a")
    other = train(tiny_config(seed=1), pack, tmp_path / "b")
    assert first.best["pretrain"]["score"] != other.best["pretrain"]["score"]


def test_a_finished_run_is_not_trained_again(pack, tmp_path):
    first = train(tiny_config(), pack, tmp_path / "run")
    called = []
    again = train(tiny_config(), pack, tmp_path / "run", resume=True, on_progress=lambda *words: called.append(words))
    assert not called
    assert again.best == first.best


def test_patience_ends_a_phase_early(pack, tmp_path):
    # a rate this large soon leads nowhere
    config = tiny_config(
        pretrain={"steps": 60, "lr_generator": 3.0, "patience": 2, "decay": "constant"}, adversarial={"steps": 0}
    )
    result = train(config, pack, tmp_path / "run")
    assert result.steps < 60
    assert result.steps == result.best["pretrain"]["step"] + 2 * config.eval_every


def test_l1_pretraining_learns_the_colour_of_the_drawn_frames(pack, tmp_path):
    config = tiny_config(
        pretrain={"steps": 60, "lr_generator": 1e-2}, adversarial={"steps": 0}, data={"batch": 4}, eval_every=30
    )
    best = train(config, pack, tmp_path / "run").best["pretrain"]["scores"]
    assert best["mae_ab"] < 0.7 * best["mae_ab_all_gray"]


def test_a_loss_that_is_no_number_stops_the_run(pack, tmp_path):
    config = tiny_config("superres", pretrain={"lr_generator": 1e30, "decay": "constant", "steps": 40})
    with pytest.raises(DeepfieldError, match=r"stopped at step \d+: the (loss g_l1|held-out score) is not a"):
        train(config, pack, tmp_path / "run")


def test_parts_of_a_batch_add_up_to_its_gradient(pack, tmp_path):
    # every pixel of these frames holds data, so that the mean over a batch is the mean of the means of its parts
    whole = {"data": {"batch": 4, "min_valid": 1.0}, "pretrain": {"steps": 3}, "adversarial": {"steps": 0}}
    scores = [
        train(tiny_config(**whole, engine={"accumulate": parts}), pack, tmp_path / str(parts)).best["pretrain"]["score"]
        for parts in (1, 4)
    ]
    assert scores[0] == pytest.approx(scores[1], rel=1e-4)


def test_a_generator_that_makes_the_same_of_everything_stops_the_run(pack, tmp_path):
    # steps this long leave every pixel at the end of the range
    config = tiny_config(
        pretrain={"steps": 0},
        adversarial={"steps": 12, "lr_generator": 1.0},
        discriminator_first=0,
        eval_every=1,
        collapse_rows=5,
    )
    with pytest.raises(DeepfieldError, match=r"step 6: it has collapsed, the generator.*last good state is .*good\.pt"):
        train(config, pack, tmp_path / "run")
    good = torch.load(tmp_path / "run" / "checkpoints" / "good.pt", weights_only=True)
    assert good["progress"]["step"] == 1
    assert train(replace(config, collapse_rows=0), pack, tmp_path / "on").steps == 12


def test_a_run_of_an_earlier_version_has_the_defaults(pack, tmp_path):
    train(tiny_config(), pack, tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    described = json.loads(path.read_text())
    for name in ("gan", "content", "engine", "encoder", "collapse_rows"):
        del described["config"][name]
    del described["config"]["data"]["degradation"], described["environment"]["precision"]
    path.write_text(json.dumps(described))
    assert read_run(tmp_path / "run")["config"] == tiny_config()
    assert train(tiny_config(), pack, tmp_path / "run", resume=True).steps == 12


def test_a_taken_folder_is_not_written_to(pack, tmp_path):
    train(tiny_config(), pack, tmp_path / "run")
    before = (tmp_path / "run" / "metrics.csv").read_bytes()
    with pytest.raises(UsageError, match="holds a run already"):
        train(tiny_config(), pack, tmp_path / "run")
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == before
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    for resume in (True, False):
        with pytest.raises(UsageError, match="weights of a run, but not its checkpoint"):
            train(tiny_config(), pack, tmp_path / "run", resume=resume)
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == before
    (tmp_path / "config.json").write_text('{"of": "something else"}')
    with pytest.raises(DeepfieldError, match="does not describe a training run"):
        train(tiny_config(), pack, tmp_path)
    assert (tmp_path / "config.json").read_text() == '{"of": "something else"}'


def test_resuming_something_else_is_refused(pack, tmp_path):
    config = tiny_config()
    train(config, pack, tmp_path / "run")
    others = {
        "snapshot snap, this one is of snapshot another": tiny_pack(tmp_path / "a", {"train": 8, "test": 3}, "another"),
        "11 frames, this one is of 4 frames": tiny_pack(tmp_path / "b", {"train": 4}),
        "snapshot snap, 11 frames, this one is of snapshot c, 4 frames": tiny_pack(tmp_path / "c", {"train": 4}, "c"),
    }
    for apart, other in others.items():
        with pytest.raises(UsageError, match=f"The run run learnt from a pack of {apart}: resume it with its own, by"):
            train(config, other, tmp_path / "run", resume=True)
    with pytest.raises(UsageError, match="settings differ"):
        train(tiny_config(seed=5), pack, tmp_path / "run", resume=True)
    with pytest.raises(DeepfieldError, match="holds no training run"):
        train(config, pack, tmp_path / "nothing", resume=True)
    last = tmp_path / "run" / "checkpoints" / "last.pt"
    last.write_bytes(last.read_bytes()[:500])
    with pytest.raises(DeepfieldError, match=r"last\.pt cannot be read"):
        train(config, pack, tmp_path / "run", resume=True)


def test_enlarging_is_learnt_from_frames_that_fill_a_crop_where_there_are_any(tmp_path, monkeypatch):
    learnt_from = []

    class Noted(CropSampler):
        def __init__(self, pack, frames, **how):
            learnt_from.append({frame.width for frame in frames})
            super().__init__(pack, frames, **how)

    monkeypatch.setattr("training.loop.CropSampler", Noted)
    for name, crop_px in (("some", 32), ("none", 80)):
        sides = (24, 60, 60, 24, 60)
        splits = ("train", "train", "train", "val", "val")
        frames = ((info(n, split), *drawn(n, side)) for n, (split, side) in enumerate(zip(splits, sides, strict=True)))
        pack = open_pack(write_pack(tmp_path / name, frames, snapshot_id="snap", max_side_px=80))
        train(tiny_config("superres", data={"crop_px": crop_px}), pack, tmp_path / f"{name}-run")
    assert learnt_from == [{60}, {24, 60}]


def test_without_a_val_split_groups_of_train_are_held_out(tmp_path):
    pack = tiny_pack(tmp_path / "pack", {"train": 4})
    assert train(tiny_config(), pack, tmp_path / "run").held_out_from_train


def test_cuda_where_there_is_none_is_one_sentence(pack, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(UsageError, match="no CUDA device"):
        train(tiny_config(device="cuda"), pack, tmp_path / "run")


@pytest.mark.slow
def test_two_processes_train_together_and_agree(pack, tmp_path):
    script = tmp_path / "two.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\n"
        f"sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]\n"
        "import torch\ntorch.set_num_threads(1)\n"
        "from tiny import tiny_config\nfrom training.loop import train\nfrom training.pack import open_pack\n"
        f"config = tiny_config(data={{'batch': 4, 'min_valid': 1.0}})\n"
        f"train(config, open_pack(Path({str(pack.folder)!r})), Path({str(tmp_path / 'two')!r}))\n"
        # a thread of the group that outlasts the training can abort the process at its end
        "names = [comm.read_text() for comm in Path('/proc/self/task').glob('*/comm')]\n"
        "assert not any('gloo' in name for name in names), names\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    train(tiny_config(data={"batch": 4, "min_valid": 1.0}), pack, tmp_path / "one")
    ours, theirs = rows(tmp_path / "two"), rows(tmp_path / "one")
    assert [row["step"] for row in ours] == [row["step"] for row in theirs]
    # every pixel of these crops holds data, so that the mean over a batch is the mean of those over its halves
    for mine, other in zip(ours, theirs, strict=True):
        if mine["mae_ab"]:
            assert float(mine["mae_ab"]) == pytest.approx(float(other["mae_ab"]), rel=1e-3), mine["step"]


# trains as one of several processes up to a step, and prints the sum of the noise of each step
ONE_OF_TWO = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from tiny import tiny_config
from training.loop import TrainingInterrupted, train
from training.pack import open_pack

randn = torch.randn
def noted(*shape, generator=None, **how):
    values = randn(*shape, generator=generator, **how)
    if generator is None:
        print(float(values.sum()), flush=True)
    return values
torch.randn = noted

def stop(done, total, phase):
    if done == int(sys.argv[3]) and os.environ["RANK"] == "0":
        os.kill(os.getpid(), signal.SIGTERM)

noisy = {"batch": 4, "degradation": {"kind": "area", "noise_dn": 20.0}}
config = tiny_config("superres", data=noisy, gan={"translation": 0.2, "cutout": 0.3})
try:
    train(config, open_pack(Path(sys.argv[1])), Path(sys.argv[2]), resume=sys.argv[4] == "resume", on_progress=stop)
except TrainingInterrupted:
    pass
"""


def together(pack: Path, run_dir: Path, *, stop: int = 0, resume: bool = False) -> list[list[str]]:
    """Train in two processes, and return what each drew."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    arguments = [pack, run_dir, stop, "resume" if resume else "begin"]
    both = [Forked(arguments, os.environ | address | {"RANK": str(rank)}, ONE_OF_TWO) for rank in (0, 1)]
    try:
        codes = [process.wait(120.0) for process in both]
    finally:
        for process in both:
            process.kill()
    assert codes == [0, 0], [process.stderr for process in both]
    return [process.stdout.split() for process in both]


def test_each_process_draws_numbers_of_its_own_and_again_the_same_after_a_stop(pack, tmp_path):
    through = together(pack.folder, tmp_path / "through")
    assert [len(draws) for draws in through] == [12, 12]
    assert len({*through[0], *through[1]}) == 24
    before = together(pack.folder, tmp_path / "stopped", stop=8)
    after = together(pack.folder, tmp_path / "stopped", resume=True)
    assert [one + other for one, other in zip(before, after, strict=True)] == through
    assert same_runs(tmp_path / "stopped", tmp_path / "through")
