import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import DeepfieldError, UsageError
from training.config import from_dict, to_dict
from training.recipes import RECIPES, make_config
from training.settings import override, parse_assignments


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_survives_a_file_and_names_its_source(name):
    config = RECIPES[name]()
    assert config.recipe == name
    assert config.source
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config


def test_settings_are_typed():
    config = make_config(
        "colorizer",
        None,
        None,
        [
            "generator.width=24",
            "pretrain.lr_generator=1e-4",
            "generator.context=1,2",
            "betas=0,.9",
            "discriminator.spectral=false",
            "precision=bf16",
        ],
    )
    assert config.generator.width == 24
    assert config.pretrain.lr_generator == 1e-4
    assert config.generator.context == (1, 2)
    assert config.betas == (0.0, 0.9)
    assert config.discriminator.spectral is False
    assert config.precision == "bf16"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nonsense=3", "no setting nonsense"),
        ("data.colour=3", "no setting data.colour"),
        ("data.batch=many", "data.batch must be a whole number"),
        ("data.batch=2.5", "data.batch must be a whole number"),
        ("data.batch=0", "data.batch 1 or more"),
        ("data=3", "group of settings"),
        ("seed.x=3", "single setting"),
        ("precision=fp8", "precision must be one of"),
        ("discriminator.spectral=perhaps", "true or false"),
        ("betas=0.9", "needs 2 numbers"),
        ("pretrain.lr_generator=-1", "above 0"),
        ("task=superres", "choose another --recipe"),
        ("data.batch", "key=value"),
        ("=3", "key=value"),
    ],
)
def test_a_bad_setting_is_one_sentence(text, sentence):
    with pytest.raises(UsageError, match=sentence):
        make_config("colorizer", None, None, [text])


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(UsageError, match="multiple of the scale 4"):
        make_config("superres", None, None, ["data.crop_px=94"])
    with pytest.raises(UsageError, match="colour_weight is for colourisers"):
        make_config("superres", None, None, ["colour_weight=1"])
    with pytest.raises(UsageError, match=r"crop_px 600 is larger than the frames, data\.frame_px 448"):
        make_config("colorizer", None, None, ["data.crop_px=600"])
    with pytest.raises(UsageError, match="psnr for networks that enlarge"):
        make_config("colorizer", None, None, ["pretrain_loss=psnr"])
    with pytest.raises(UsageError, match="colour_weight must be 0 or more"):
        make_config("colorizer", None, None, ["colour_weight=-1"])
    with pytest.raises(UsageError, match="something below"):
        parse_assignments(["data=3", "data.batch=2"])


def test_a_file_may_choose_the_recipe_and_the_command_line_wins(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('recipe = "pix2pix_lab"\nseed = 7\n[data]\nbatch = 2\n[generator]\ncontext = [1, 4]\n')
    config = make_config("colorizer", None, file, ["data.batch=3"])
    assert (config.recipe, config.seed, config.data.batch) == ("pix2pix_lab", 7, 3)
    assert config.generator.context == (1, 4)
    assert make_config("colorizer", "demo_colorizer", file).recipe == "demo_colorizer"


@pytest.mark.parametrize("change", ["kind=bicubic", "psf_sigma_px=1", "noise_dn=2"])
def test_light_is_kept_of_plain_means_only(change):
    with pytest.raises(UsageError, match="keeps_light"):
        make_config("superres", "default_superres", None, [f"data.degradation.{change}"])
    changed = [f"data.degradation.{change}", "generator.keeps_light=false"]
    assert not make_config("superres", "default_superres", None, changed).generator.keeps_light


@pytest.mark.parametrize("text", ["data.batch = ", "seed = 1.5", "seed = true", "recipe = 'srgan_ledig'"])
def test_a_bad_file_is_one_sentence(tmp_path, text):
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(UsageError):
        make_config("colorizer", None, file)
    with pytest.raises(UsageError, match="cannot be read"):
        make_config("colorizer", None, tmp_path / "none.toml")


@given(st.lists(st.text(max_size=30), max_size=4))
def test_any_assignment_is_either_taken_or_refused_in_words(texts):
    try:
        override(RECIPES["demo_colorizer"](), parse_assignments(texts))
    except UsageError as error:
        assert str(error)


def test_a_damaged_config_is_one_sentence():
    values = to_dict(RECIPES["demo_superres"]())
    for broken in ({**values, "generator": {"network": "x"}}, {**values, "extra": 1}, {}):
        with pytest.raises(DeepfieldError, match=r"config\.json cannot be used"):
            from_dict(broken)
