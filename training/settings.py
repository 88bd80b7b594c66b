"""The settings of a run by their dotted keys: which there are, and how a file or the command line changes them."""

import inspect
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from manifests.errors import UsageError
from models import catalogue
from models.catalogue import NetworkConfig
from training.config import TrainConfig

# settings that say what the run is; to change them is to choose another recipe
_FIXED = ("task", "recipe", "source")
# the family of a network, as it stands in a run's config.json
_NETWORK = "network"


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """`key=value` texts, keys with dots, as a nested dictionary of texts.

    Raises:
        UsageError: a text has no `=`.
    """
    tree: dict[str, Any] = {}
    for text in assignments:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise UsageError(f"--set {text} is not of the form key=value, for example --set data.batch=8.")
        *parents, last = key.strip().split(".")
        branch = tree
        for parent in parents:
            below = branch.setdefault(parent, {})
            if not isinstance(below, dict):
                raise UsageError(f"--set gives {parent} a value and also sets something below it.")
            branch = below
        branch[last] = value.strip()
    return tree


def read_toml(path: Path) -> dict[str, Any]:
    """The settings of a TOML file, tables as nested dictionaries.

    Raises:
        UsageError: the file is not there or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The config file {path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise UsageError(f"The config file {path} is not TOML: {error}.") from None


def as_toml(config: TrainConfig) -> str:
    """Every setting with what it means and may be: a file that makes this config of its recipe."""
    head = (
        f"# All settings of {config.recipe}: together a file for --config, and each of them one for --set, a list then "
        f"as 1,2\nrecipe = {json.dumps(config.recipe)}"
    )
    return "\n".join([head, *_toml_lines(config, "")]) + "\n"


def _toml_lines(part: Any, prefix: str) -> list[str]:
    """The settings of a part of the config under its docstring, which says what they mean, then those of its parts."""
    own, inner = [], []
    for key, kind in _kinds(part).items():
        value = catalogue.name_of(part) if key == _NETWORK else getattr(part, key)
        if is_dataclass(value):
            inner += _toml_lines(value, f"{prefix}{key}.")
        else:
            # JSON's numbers, texts and lists are TOML's
            own.append(f"{f'{prefix}{key} = {json.dumps(value)}':44}  # {_in_words(kind)}")
    meaning = [f"# {line}".rstrip() for line in (inspect.getdoc(type(part)) or "").splitlines()]
    return ["", *meaning, *own, *inner]


def override(config: TrainConfig, changes: Mapping[str, Any]) -> TrainConfig:
    """A config with some settings changed; `changes` is nested like the config, values typed or texts.

    `network` of a generator or discriminator changes it for another family (see `models.catalogue.in_place_of`),
    to which the other changes then apply.

    Raises:
        UsageError: a setting is unknown, or its value is of the wrong type or out of range.
    """
    for key in _FIXED:
        if key in changes:
            raise UsageError(f"{key} is not a setting that can be changed: choose another --recipe.")
    try:
        return _override(config, changes, "")
    except ValueError as error:
        raise UsageError(f"The settings do not go together: {error}.") from None


def _override(part: Any, changes: Mapping[str, Any], prefix: str) -> Any:
    if isinstance(part, NetworkConfig) and _NETWORK in changes:
        family = _typed(changes[_NETWORK], _kinds(part)[_NETWORK], prefix + _NETWORK)
        part = catalogue.in_place_of(part, family)
        changes = {key: raw for key, raw in changes.items() if key != _NETWORK}
    kinds = _kinds(part)
    values = {}
    for key, raw in changes.items():
        path = prefix + key
        if key not in kinds:
            raise UsageError(
                f"There is no setting {path}; known here: {', '.join(kinds)}. "
                "`deepfield train settings --recipe NAME` prints all of a recipe."
            )
        current = getattr(part, key)
        if is_dataclass(current):
            if not isinstance(raw, Mapping):
                inner = ", ".join(f"{path}.{name}" for name in _kinds(current))
                raise UsageError(f"{path} is a group of settings: set one of {inner}.")
            values[key] = _override(current, raw, f"{path}.")
        else:
            values[key] = _typed(raw, kinds[key], path)
    return replace(part, **values)


def _kinds(part: Any) -> dict[str, Any]:
    """What can be set in a part of the config, and of which type; first, where it is a network, its family."""
    kinds = {key: kind for key, kind in get_type_hints(type(part)).items() if key not in _FIXED}
    return {_NETWORK: Literal[catalogue.alternatives(part)]} | kinds if isinstance(part, NetworkConfig) else kinds


def _typed(raw: Any, kind: Any, path: str) -> Any:
    """A value, text or typed, as the type a setting has."""
    if isinstance(raw, Mapping):
        raise UsageError(f"{path} is a single setting, there is nothing below it.")
    try:
        return _read(raw, kind)
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"{path} must be {_in_words(kind)}, not {raw!r}.") from None


def _read(raw: Any, kind: Any) -> Any:
    """The value that a text or a TOML value stands for; any error says that it is none of this kind."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return inner[inner.index(raw)]
    if origin is Union:
        number, words = inner
        return raw if raw in get_args(words) else _read(raw, number)
    if origin is tuple:
        parts = [part for part in raw.split(",") if part.strip()] if isinstance(raw, str) else list(raw)
        if inner[-1] is not Ellipsis and len(parts) != len(inner):
            raise ValueError
        return tuple(_read(part, inner[0]) for part in parts)
    if kind is bool:
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[str(raw).lower()]
    if isinstance(raw, bool) or (kind is int and isinstance(raw, float)):
        raise ValueError
    return kind(raw)


def _in_words(kind: Any) -> str:
    """What a setting of a type may be."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return f"one of {', '.join(inner)}"
    if origin is Union:
        number, words = inner
        return f"{_in_words(number)} or {' or '.join(get_args(words))}"
    if origin is tuple:
        count = "" if inner[-1] is Ellipsis else f"{len(inner)} "
        return f"{count}{'whole ' if inner[0] is int else ''}numbers with commas between them"
    return {int: "a whole number", float: "a number", bool: "true or false"}.get(kind, "a text")
