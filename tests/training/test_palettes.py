import pytest
import torch

from manifests.errors import DeepfieldError
from models.palette import LIGHTNESS_STEPS, SURROUND_STEPS, hubble_palette
from training.palettes import describe, load_palettes, presets, save_palettes

SHAPE = (SURROUND_STEPS, LIGHTNESS_STEPS)


def of(a: float, b: float) -> torch.Tensor:
    return torch.stack((torch.full(SHAPE, float(a)), torch.full(SHAPE, float(b))))


def test_presets_find_the_kinds_there_are_and_name_them_the_most_common_first():
    torch.manual_seed(0)
    kinds = {"blue": of(0, -30), "gold": of(2, 40), "red": of(40, 25), "gray": of(0, 0)}
    crowd = [kinds[name] + torch.randn(2, *SHAPE) for name in ["blue"] * 9 + ["gold"] * 7 + ["red"] * 5 + ["gray"] * 60]
    found = presets(crowd, seed=0)
    assert next(iter(found)).startswith("gray")
    assert {name.split("-")[0] for name in found} == {"blue", "gold", "red", "gray"}
    assert len(found) == 6
    for name, palette in found.items():
        assert (palette - kinds[name.split("-")[0]]).abs().mean() < 1.5


def test_few_pictures_give_few_presets_and_the_same_seed_the_same():
    pictures = [of(3, 30), of(-20, -20)]
    once, again = presets(pictures, seed=4), presets(pictures, seed=4)
    assert list(once) == list(again)
    assert len(once) == 2


def test_dark_and_light_have_a_word_each():
    palette = of(0, -30)
    palette[1, :, LIGHTNESS_STEPS // 2 :] = 30.0
    assert describe(palette) == "blue-gold"


def test_palettes_survive_a_file_and_a_damaged_one_is_named(tmp_path):
    path = tmp_path / "palettes.json"
    assert load_palettes(path) == {}
    save_palettes(path, {"hubble": hubble_palette()})
    assert (load_palettes(path)["hubble"] - hubble_palette()).abs().max() < 0.01
    for broken in ("{", "[1]", '{"hubble": [[1, 2]]}', '{"hubble": "gold"}'):
        path.write_text(broken)
        with pytest.raises(DeepfieldError, match="palettes"):
            load_palettes(path)
