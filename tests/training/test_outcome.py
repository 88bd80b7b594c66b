import pytest
import torch
from tiny import tiny_config, tiny_pack

from flows.retrain import settle
from manifests.errors import DeepfieldError
from training.evaluate import Metric, evaluate, measure
from training.loop import train
from training.outcome import enter, headline
from training.registry import list_models, read_meta, read_metrics


def test_a_run_is_scored_on_test_else_on_validation_else_not_and_always_registered(tmp_path):
    splits = {"test": {"train": 3, "val": 1, "test": 2}, "val": {"train": 3, "val": 2}}
    for number, (expected, frames) in enumerate(splits.items(), start=1):
        pack = tiny_pack(tmp_path / f"pack-{expected}", frames)
        run = train(tiny_config("superres"), pack, tmp_path / f"run-{expected}").run_dir
        came = enter(run, pack, tmp_path / "models", "mine")
        assert (came.version, came.split, came.metrics[0].n) == (f"v{number}", expected, 2)
        assert read_metrics(tmp_path / "models", f"mine@{came.version}") == (came.split, came.metrics)
        card = (tmp_path / "models" / "mine" / came.version / "card.md").read_text()
        assert "FID and KID on Inception's features are left out" in card
    alone = tiny_pack(tmp_path / "pack-alone", {"train": 3})
    came = enter(run, alone, tmp_path / "models", "mine")
    assert (came.version, came.split, came.metrics) == ("v3", "none", ())
    assert [model.version for model in list_models(tmp_path / "models")] == ["v1", "v2", "v3"]
    assert read_meta(tmp_path / "models", "mine@v3")["recipe"] == read_meta(tmp_path / "models", "mine")["recipe"]


def test_scores_are_computed_on_the_gpu_where_there_is_one(pack, tmp_path, monkeypatch):
    run = train(tiny_config("superres"), pack, tmp_path / "run").run_dir
    devices = []

    def computed_here(compute):
        def called(model, pack, split, *, device, **others):
            devices.append(device.type)
            return compute(model, pack, split, **others)

        return called

    monkeypatch.setattr("training.outcome.measure", computed_here(measure))
    monkeypatch.setattr("flows.retrain.evaluate", computed_here(evaluate))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    challenger = enter(run, pack, tmp_path / "models", "superres")
    settle("superres", "superres@v1", challenger, pack, tmp_path / "models")
    assert devices == ["cuda", "cuda"]


def test_the_headline_of_a_task_knows_which_way_is_better():
    scored = {"mae_ab": 7.0, "mae_ab_faithful": 5.0, "mae_ab_all_gray": 6.0}
    colour = headline("colorizer", [Metric(name, value, value - 1, value + 1, 9) for name, value in scored.items()])
    assert colour.beats(5.1)
    assert not colour.beats(4.9)
    names = ("psnr_y_crop4", "psnr_y_crop4_faithful", "psnr_y_crop4_bicubic")
    enlarged = headline("superres", [Metric(name, 25.0 + n, 0, 99, 3) for n, name in enumerate(names)])
    assert (enlarged.ours.value, enlarged.baseline.value) == (26.0, 27.0)
    assert enlarged.beats(25.9)
    assert not enlarged.beats(26.1)
    with pytest.raises(DeepfieldError, match="never scored"):
        headline("superres", [])
