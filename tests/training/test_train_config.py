import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import DeepfieldError, UsageError
from models.discriminators import PatchGANConfig, ResidualVGGConfig
from models.edsr import EDSRConfig
from models.nafnet import NAFNetConfig
from models.resnet_unet import ResNetUNetConfig
from models.span import SPANConfig
from models.unet import UNetConfig
from training.adversarial import GANConfig
from training.config import from_dict, to_dict
from training.content import ContentConfig
from training.recipes import RECIPES, make_config
from training.settings import as_toml, override, parse_assignments


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_survives_a_file_and_names_its_source(name):
    config = RECIPES[name]()
    assert config.recipe == name
    assert config.source
    values = json.loads(json.dumps(to_dict(config)))
    assert to_dict(from_dict(values)) == to_dict(config)
    # a file has the penalty that the run had, whatever its loss comes with later
    assert from_dict(values) == replace(config, gan=replace(config.gan, gradient_penalty=config.gan.penalty))


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
        ("nonsense=3", "`deepfield train settings --recipe NAME` prints all"),
        ("generator.context=a", "must be whole numbers with commas between them, not 'a'"),
        ("data.colour=3", "no setting data.colour"),
        ("data.batch=many", "data.batch must be a whole number"),
        ("data.batch=2.5", "data.batch must be a whole number"),
        ("data.batch=0", "data.batch 1 or more"),
        ("data=3", "group of settings"),
        ("seed.x=3", "single setting"),
        ("precision=fp8", "precision must be one of"),
        ("discriminator.spectral=perhaps", "true or false"),
        ("betas=0.9", "must be 2 numbers"),
        ("pretrain.lr_generator=-1", "above 0"),
        ("task=superres", "choose another --recipe"),
        ("data.batch", "key=value"),
        ("=3", "key=value"),
        ("gan.gradient_penalty=some", "gan.gradient_penalty must be a number or paper, not 'some'"),
        ("gan.gradient_penalty=-1", "gan.gradient_penalty be 0 or more"),
    ],
)
def test_a_bad_setting_is_one_sentence(text, sentence):
    with pytest.raises(UsageError, match=sentence):
        make_config("colorizer", None, None, [text])


def test_a_loss_brings_its_penalty_unless_one_is_set(tmp_path):
    def penalty(*texts, file=None):
        return make_config("colorizer", "spectral_128", file, ["gan.label_smoothing=0", *texts]).gan.penalty

    assert penalty() == 0.0
    assert penalty("gan.loss=wgan_gp") == 5.0
    assert penalty("gan.loss=wgan_gp", "gan.gradient_penalty=0") == 0.0
    assert penalty("gan.loss=wgan_gp", "gan.gradient_penalty=10") == 10.0
    file = tmp_path / "mine.toml"
    file.write_text("[gan]\ngradient_penalty = 0\n")
    assert penalty("gan.loss=relativistic", file=file) == 0.0
    assert penalty("gan.loss=relativistic", "gan.gradient_penalty=paper", file=file) == 1.0
    assert RECIPES["nafnet_r3gan"]().gan.penalty == 1.0
    with pytest.raises(UsageError, match="label_smoothing is for the losses bce and lsgan"):
        make_config("colorizer", "spectral_128", None, ["gan.loss=hinge"])


def test_a_file_of_an_earlier_version_means_what_it_meant():
    values = to_dict(RECIPES["spectral_128"]())
    # smoothed labels were left out where a loss has none
    values["gan"] = {**values["gan"], "loss": "wgan_gp", "label_smoothing": 0.1, "gradient_penalty": 0.0}
    # and a mix with a content loss that there was not did nothing
    values["content"] = {**values["content"], "weight": 0.0, "mix": 0.5}
    assert from_dict(values).gan == GANConfig("wgan_gp", gradient_penalty=0.0)
    assert from_dict(values).content == ContentConfig()
    del values["gan"]
    assert from_dict(values).gan.penalty == 0.0


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(UsageError, match="multiple of the scale 4"):
        make_config("superres", None, None, ["data.crop_px=94"])
    with pytest.raises(UsageError, match="colour_weight is for colourisers"):
        make_config("superres", None, None, ["colour_weight=1"])
    with pytest.raises(UsageError, match=r"crop_px 600 is larger than the frames, data\.frame_px 448"):
        make_config("colorizer", None, None, ["data.crop_px=600"])
    with pytest.raises(UsageError, match="psnr for networks that enlarge"):
        make_config("colorizer", None, None, ["pretrain_loss=psnr"])
    with pytest.raises(UsageError, match="colour_weight and spurious_weight must be 0 or more"):
        make_config("colorizer", None, None, ["colour_weight=-1"])
    with pytest.raises(UsageError, match="spurious_weight goes with pretrain_loss psnr"):
        make_config("superres", None, None, ["spurious_weight=30"])
    for name, text in (("demo_colorizer", "content.mix=0.5"), ("content_mix", "content.weight=0")):
        with pytest.raises(UsageError, match=r"set content\.weight above 0, or content\.mix to 0"):
            make_config("colorizer", name, None, [text])
    config = make_config("colorizer", "content_mix", None, ["content.weight=0", "content.mix=0"])
    assert config.content == ContentConfig()
    with pytest.raises(UsageError, match="something below"):
        parse_assignments(["data=3", "data.batch=2"])


def test_a_network_is_changed_for_another_family_with_its_defaults():
    config = make_config("colorizer", "pix2pix_lab", None, ["discriminator.network=residual_vgg"])
    assert config.discriminator == ResidualVGGConfig()
    changes = ["generator.width=24", "generator.network=nafnet", "generator.down=1,1", "generator.up=1,1"]
    config = make_config("colorizer", "pix2pix_lab", None, changes)
    assert config.generator == NAFNetConfig(width=24, down=(1, 1), up=(1, 1))
    assert from_dict(json.loads(json.dumps(to_dict(config)))).generator == config.generator


def test_another_family_keeps_what_the_rest_of_the_run_rests_on():
    config = make_config("superres", "wdsr_gan", None, ["generator.scale=3"])
    assert override(config, {"generator": {"network": "edsr"}}).generator == EDSRConfig(scale=3)
    asked = {"generator": {"network": "resnet_unet"}, "discriminator": {"network": "patchgan", "layers": 2}}
    config = override(RECIPES["paper_unet_rgb"](), asked)
    assert config.generator == ResNetUNetConfig(output="rgb")
    assert config.discriminator == PatchGANConfig(channels=4, layers=2)


def test_the_family_that_a_recipe_has_keeps_its_sizes():
    config = RECIPES["demo_colorizer"]()
    assert override(config, {"generator": {"network": "unet"}, "discriminator": {"network": "patchgan"}}) == config


def test_a_file_may_choose_families_too(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[generator]\nnetwork = "span"\nblocks = 3\n[discriminator]\nnetwork = "patchgan"\n')
    config = make_config("superres", None, file, ["generator.width=8"])
    assert config.generator == SPANConfig(blocks=3, width=8)
    assert config.discriminator == PatchGANConfig()


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (
            ["generator.network=edsr"],
            "generator.network must be one of unet, resnet_unet, nafnet, guided_unet, not 'edsr'",
        ),
        (["discriminator.network=unet"], "discriminator.network must be one of patchgan, resnet_patch, residual_vgg"),
        (
            ["generator.network=nafnet", "generator.depth=3"],
            "no setting generator.depth; known here: network, width, down",
        ),
        (["generator.network.x=1"], "generator.network is a single setting"),
        (["generator=unet"], "set one of generator.network, generator.width"),
        (
            ["generator.network=resnet_unet", "generator.output=rgb"],
            "is shown 4 channels and takes 3: set discriminator.channels to 4",
        ),
        (
            ["generator.output=rgb", "discriminator.network=srgan_discriminator"],
            "is shown 4 channels and takes 3: choose another discriminator.network",
        ),
        (["data.network=unet"], "no setting data.network"),
    ],
)
def test_a_family_that_does_not_fit_is_one_sentence(texts, sentence):
    with pytest.raises(UsageError, match=re.escape(sentence)):
        make_config("colorizer", None, None, texts)


@pytest.mark.parametrize("name", RECIPES)
def test_the_list_of_all_settings_is_a_file_that_gives_the_same_run(tmp_path, name):
    config, file = RECIPES[name](), tmp_path / "all.toml"
    file.write_text(as_toml(config))
    assert make_config(config.task, None, file) == config


def test_the_list_of_all_settings_says_what_each_means_and_may_be():
    lines = as_toml(RECIPES["demo_superres"]()).splitlines()
    known = {line.split(" = ")[0]: line for line in lines if " = " in line and not line.startswith("#")}
    assert re.fullmatch(
        r'generator.network = "srresnet" +# one of srresnet, edsr, wdsr, span', known["generator.network"]
    )
    assert re.fullmatch(r'gan.gradient_penalty = "paper" +# a number or paper', known["gan.gradient_penalty"])
    assert re.fullmatch(r"betas = \[0.9, 0.999\] +# 2 numbers with commas between them", known["betas"])
    assert re.fullmatch(r"data.degradation.noise_dn = 0.0 +# a number", known["data.degradation.noise_dn"])
    assert {"task", "source"}.isdisjoint(known)
    assert "# `frame_px`: longer side above which a frame is shrunk, once, into the pack." in "\n".join(lines)
    # what is listed can be set, one by one
    for key, line in known.items():
        value = line.split(" = ")[1].split("  #")[0].strip().strip('"[]')
        if key != "recipe":
            override(RECIPES["demo_superres"](), parse_assignments([f"{key}={value}"]))


def test_a_palette_is_for_the_family_that_takes_one():
    with pytest.raises(UsageError, match="guided is for a generator that takes palettes: guided_unet, or set it to 0"):
        make_config("colorizer", "default_colorizer", None, ["generator.network=unet"])
    config = make_config("colorizer", "default_colorizer", None, ["generator.network=unet", "guided=0"])
    assert config.generator == UNetConfig()


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
