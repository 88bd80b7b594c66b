"""Which palette guides the colouriser: a reference picture's, a preset, or what a FITS file's filter suggests."""

import re
from dataclasses import replace
from pathlib import Path

import torch
from astropy.io import fits

from manifests.errors import UsageError
from manifests.resize import shrink
from models.color import rgb_to_lab
from models.guided import GuidedBy, GuidedUNet
from models.palette import hubble_palette, take_palette
from serving.enhance import Tool
from serving.pictures import read_picture

HUBBLE = "hubble"
# mean |a*|, |b*| of a gray picture, with what JPEG does to one
_COLOURLESS = 0.5
_FITS = (".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".fts.gz")
_FILTER_KEYS = ("FILTER", "FILTER1", "FILTER2", "FILTNAM1", "FILTNAM2")
# HST's narrow bands, such as F656N, and its quad filters, such as FQ508N
_NARROW = re.compile(r"FQ?\d{3,4}N")


def like(tool: Tool, reference: Path, max_pixels: int) -> Tool:
    """The tool, guided by the colours of a reference picture.

    Raises:
        UsageError: the model takes no palette, or the reference has no colour to take.
        DeepfieldError: the reference cannot be read.
    """
    network = _guidable(tool)
    picture = read_picture(reference, max_pixels)
    rgb, valid = shrink(picture.rgb, picture.valid, tool.work_px)
    lab = rgb_to_lab(torch.from_numpy(rgb.copy()).permute(2, 0, 1).float() / 255.0)
    mask = torch.from_numpy(valid.copy()).unsqueeze(0)
    if not bool(mask.any()) or float(lab[1:, mask[0]].abs().mean()) < _COLOURLESS:
        raise UsageError(f"{reference} has no colours to take: --like needs a colour picture.")
    palette = take_palette(lab, mask, network.config.surround_px)
    return _bound(tool, network, palette, f"like {picture.sha256}")


def preset(tool: Tool, name: str) -> Tool:
    """The tool, guided by one of its model's presets or by `hubble`.

    Raises:
        UsageError: the model takes no palette, or has none of that name.
    """
    network = _guidable(tool)
    known = {**tool.palettes, HUBBLE: hubble_palette()}
    if name not in known:
        raise UsageError(f"{tool.step.model} has no palette {name!r}; it has {', '.join(known)}.")
    return _bound(tool, network, known[name], name)


def suited(tool: Tool, source: Path) -> Tool:
    """The tool as a FITS file's filter suggests: a narrow band gets the `hubble` palette; else as it was."""
    if not isinstance(tool.network, GuidedUNet) or not _narrow_band(source):
        return tool
    return preset(tool, HUBBLE)


def _guidable(tool: Tool) -> GuidedUNet:
    if not isinstance(tool.network, GuidedUNet):
        raise UsageError(f"{tool.step.model} takes no palette: use a model of the recipe default_colorizer.")
    return tool.network


def _bound(tool: Tool, network: GuidedUNet, palette: torch.Tensor, label: str) -> Tool:
    device = next(network.parameters()).device
    guided = GuidedBy(network, palette.to(device))
    return replace(tool, network=guided, step=replace(tool.step, palette=label))


def _narrow_band(source: Path) -> bool:
    if not source.name.lower().endswith(_FITS):
        return False
    try:
        with fits.open(source, memmap=False) as units:
            names = [str(unit.header.get(key, "")).strip().upper() for unit in units for key in _FILTER_KEYS]
    except (OSError, ValueError, TypeError):
        # whoever reads the picture itself says what is wrong with it
        return False
    return any(_NARROW.fullmatch(name) for name in names)
