"""Which palette guides the colouriser: a reference picture's, a preset, or what a FITS file's filter suggests."""

from dataclasses import replace
from pathlib import Path

import torch

from manifests.errors import UsageError
from manifests.resize import shrink
from models.color import rgb_to_lab
from models.guided import GuidedBy, GuidedUNet
from models.palette import hubble_palette, take_palette
from serving.enhance import Tool
from serving.narrowband import narrow_filters
from serving.pictures import read_picture

HUBBLE = "hubble"
# no palette: the network chooses, whatever the filter
AUTOMATIC = "automatic"
# mean |a*|, |b*| of a gray picture, with what JPEG does to one
_COLOURLESS = 0.5


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
        raise UsageError(f"{tool.step.model} has no palette {name!r}; it has {', '.join((*known, AUTOMATIC))}.")
    return _bound(tool, network, known[name], name)


def suited(tool: Tool, source: Path) -> tuple[Tool, str | None]:
    """The tool as a FITS file's filters suggest, and a sentence on that: narrow bands get the `hubble` palette.

    Else the tool as it was, and None.
    """
    filters = narrow_filters(source) if isinstance(tool.network, GuidedUNet) else ()
    if not filters:
        return tool, None
    return preset(tool, HUBBLE), (
        f"{source} was taken through {', '.join(filters)}: narrow bands are coloured by the palette {HUBBLE}, unless "
        f"--palette {AUTOMATIC} leaves the colours to the network."
    )


def _guidable(tool: Tool) -> GuidedUNet:
    if not isinstance(tool.network, GuidedUNet):
        raise UsageError(f"{tool.step.model} takes no palette: use a model of the recipe default_colorizer.")
    return tool.network


def _bound(tool: Tool, network: GuidedUNet, palette: torch.Tensor, label: str) -> Tool:
    device = next(network.parameters()).device
    guided = GuidedBy(network, palette.to(device))
    return replace(tool, network=guided, step=replace(tool.step, palette=label))
