import numpy as np
import torch
from tiny import drawn, info

from training.data import CropSampler
from training.pack import open_pack
from training.pack_write import write_pack

CPU = torch.device("cpu")


def sampler(pack, **changes):
    settings = {"crop_px": 24, "batch": 4, "min_valid": 0.5, "seed": 3} | changes
    return CropSampler(pack, pack.select("train", color_only=True), **settings)


def test_the_same_seed_gives_the_same_crops_and_another_does_not(pack):
    first, again, other = sampler(pack), sampler(pack), sampler(pack, seed=4)
    for _ in range(3):
        batch = first.next(CPU)
        assert torch.equal(batch.rgb, again.next(CPU).rgb)
        assert not torch.equal(batch.rgb, other.next(CPU).rgb)


def test_a_sampler_put_at_a_position_goes_on_from_there(pack):
    through, resumed = sampler(pack), sampler(pack)
    for _ in range(5):
        through.next(CPU)
    resumed.position = through.position
    assert torch.equal(through.next(CPU).rgb, resumed.next(CPU).rgb)


def test_two_processes_see_together_what_one_would(pack):
    alone, halves = sampler(pack), [sampler(pack, rank=rank, world=2) for rank in (0, 1)]
    for _ in range(3):
        whole = alone.next(CPU).rgb
        parts = [half.next(CPU).rgb for half in halves]
        assert torch.equal(torch.stack(parts, dim=1).flatten(0, 1), whole)


def test_every_frame_gives_one_crop_before_any_gives_two(tmp_path):
    frames = ((info(n, "train"), np.full((20, 20, 3), n, np.uint8), np.ones((20, 20), bool)) for n in range(5))
    pack = open_pack(write_pack(tmp_path / "p", frames, snapshot_id="s", max_side_px=20))
    stream = sampler(pack, crop_px=16, batch=1)
    for _ in range(4):
        epoch = [int((stream.next(CPU).rgb * 255).round().mean()) for _ in range(5)]
        assert sorted(epoch) == [0, 1, 2, 3, 4]


def test_all_eight_symmetries_come_up(tmp_path):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    frames = iter([(info(0, "train"), ramp, np.ones((16, 16), bool))])
    pack = open_pack(write_pack(tmp_path / "p", frames, snapshot_id="s", max_side_px=16))
    stream = sampler(pack, crop_px=16, batch=1)
    seen = {stream.next(CPU).rgb.numpy().tobytes() for _ in range(100)}
    assert len(seen) == 8


def test_crops_look_for_data_and_small_frames_are_padded_as_no_data(tmp_path):
    rgb, valid = drawn(0, 90)
    valid[:, :45] = False
    small = drawn(1, 20)
    frames = iter([(info(0, "train"), rgb, valid), (info(1, "val"), small[0], np.ones((20, 20), bool))])
    pack = open_pack(write_pack(tmp_path / "p", frames, snapshot_id="s", max_side_px=90))
    picky, careless = (sampler(pack, batch=60, min_valid=share).next(CPU).valid.float() for share in (0.9, 0.0))
    assert picky.mean() > careless.mean() + 0.2
    padded = CropSampler(pack, pack.select("val", color_only=True), crop_px=24, batch=1, min_valid=0.5, seed=0).next(
        CPU
    )
    assert int(padded.valid.sum()) == 400
    assert (padded.rgb * ~padded.valid == 0).all()
