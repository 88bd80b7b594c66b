"""Which recipes a study compares, and their configs after the settings that are for all of them or for one."""

from collections.abc import Sequence

from manifests.errors import UsageError
from training.config import TrainConfig
from training.recipes import RECIPES, make_config

PAPER = (
    "paper_unet_rgb",
    "paper_resnet18_rgb",
    "paper_resnet18_lab",
    "unet256_patchgan",
    "spectral_128",
    "content_mix",
    "default_colorizer",
    "srgan_ledig",
    "edsr_gan",
    "wdsr_gan",
    "default_superres",
)


def recipe_names(text: str) -> tuple[str, ...]:
    """The recipes of `paper`, or of a list with commas.

    Raises:
        UsageError: one is unknown.
    """
    names = PAPER if text == "paper" else tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in RECIPES]
    if unknown or not names:
        raise UsageError(f"There is no recipe {unknown[0] if unknown else text!r}; there are {', '.join(RECIPES)}.")
    return names


def recipes_at_hand(text: str, settings: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The recipes of `recipe_names`, and a sentence on each of `paper` that is left out for want of VGG-19's weights.

    Raises:
        UsageError: a recipe is unknown or, asked for by its name, lacks those weights.
    """
    names = recipe_names(text)
    lacking = [name for name in names if config_named(name, settings).content.lacks_weights]
    sentences = tuple(
        f"{name} is left out: it needs torchvision's VGG-19 weights, by --set {name}:content.weights=FILE."
        for name in lacking
    )
    if sentences and text != "paper":
        raise UsageError(sentences[0])
    return tuple(name for name in names if name not in lacking), sentences


def config_named(name: str, settings: Sequence[str]) -> TrainConfig:
    """The config of a recipe, changed by `key=value` settings; `recipe:key=value` is for that recipe only.

    Raises:
        UsageError: the recipe is unknown, or a setting cannot be used.
    """
    recipe_names(name)
    fitting = []
    for setting in settings:
        key, _, _ = setting.partition("=")
        owner, sign, _ = key.rpartition(":")
        if not sign:
            fitting.append(setting)
        elif owner == name:
            fitting.append(setting.removeprefix(f"{owner}:"))
        else:
            recipe_names(owner)
    return make_config(RECIPES[name]().task, name, None, fitting)
