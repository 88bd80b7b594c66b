"""The palettes of a pack's frames: to guide training by, and a handful of presets that stand for all of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from manifests.errors import DeepfieldError
from models.color import rgb_to_lab
from models.palette import LIGHTNESS_STEPS, SURROUND_STEPS, take_palette
from training.data import Batch, whole
from training.files import write_text
from training.pack import Pack, PackedFrame

FILE = "palettes.json"
_PRESETS = 6
_ROUNDS = 50
# a*b* below which a colour has no hue worth a name
_GRAY = 4.0
# hue angles in a*b*, degrees, up to which a name reaches
_HUES = (
    (20.0, "rose"),
    (50.0, "red"),
    (80.0, "orange"),
    (105.0, "gold"),
    (150.0, "green"),
    (215.0, "teal"),
    (285.0, "blue"),
    (335.0, "violet"),
    (360.0, "rose"),
)


@dataclass(frozen=True)
class Guide:
    """The palettes of the training frames, by image_id, and the share of crops that are shown theirs."""

    palettes: Mapping[str, Tensor]
    share: float

    def of(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The palettes (N, 2, rows, columns) of a batch, and (N,) 1 where they are shown and 0 where not."""
        palettes = torch.stack([self.palettes[name] for name in batch.image_ids])
        shown = torch.tensor([float(chance < self.share) for chance in batch.chances])
        return palettes.to(batch.rgb.device), shown.to(batch.rgb.device)


def frame_palettes(pack: Pack, frames: Sequence[PackedFrame], sigma_px: float) -> dict[str, Tensor]:
    """The palette of each frame, float (2, rows, columns), by its image_id."""
    found = {}
    for frame in frames:
        rgb, valid = whole(pack, frame, torch.device("cpu"))
        found[frame.image_id] = take_palette(rgb_to_lab(rgb), valid, sigma_px)
    return found


def presets(palettes: Sequence[Tensor], *, seed: int) -> dict[str, Tensor]:
    """At most six palettes that stand for all, the most common first, named by their dark and their light colour.

    k-means (Lloyd 1982) from k-means++ seeds (Arthur and Vassilvitskii 2007); written out here because training runs
    where there is torch and little else.
    """
    points = torch.stack(list(palettes)).flatten(1)
    count = min(_PRESETS, len(points))
    random = torch.Generator().manual_seed(seed)
    centres = points[torch.randint(len(points), (1,), generator=random)]
    for _ in range(count - 1):
        nearest = torch.cdist(points, centres).min(dim=1).values.square()
        chosen = torch.multinomial(nearest + 1e-9, 1, generator=random)
        centres = torch.cat((centres, points[chosen]))
    for _ in range(_ROUNDS):
        member = torch.cdist(points, centres).argmin(dim=1)
        means = [points[member == k].mean(dim=0) if (member == k).any() else centres[k] for k in range(count)]
        if torch.equal(torch.stack(means), centres):
            break
        centres = torch.stack(means)
    sizes = torch.bincount(torch.cdist(points, centres).argmin(dim=1), minlength=count)
    named: dict[str, Tensor] = {}
    for place in sizes.argsort(descending=True, stable=True).tolist():
        palette = centres[place].reshape(2, SURROUND_STEPS, LIGHTNESS_STEPS)
        name = describe(palette)
        alike = sum(other == name or other.startswith(f"{name}-") for other in named)
        named[f"{name}-{alike + 1}" if alike else name] = palette
    return named


def describe(palette: Tensor) -> str:
    """The hue of the dark half and of the light half of a palette, such as `blue-gold`, or one word for both."""
    middle = LIGHTNESS_STEPS // 2
    # what is dark lies mostly among dark, what is light among light
    dark = palette[:, : SURROUND_STEPS // 2, 1:middle].mean(dim=(1, 2))
    light = palette[:, SURROUND_STEPS // 4 :, middle:].mean(dim=(1, 2))
    words = [_hue(dark), _hue(light)]
    return words[0] if words[0] == words[1] else "-".join(words)


def _hue(ab: Tensor) -> str:
    a, b = float(ab[0]), float(ab[1])
    if a * a + b * b < _GRAY**2:
        return "gray"
    angle = float(torch.rad2deg(torch.atan2(ab[1], ab[0]))) % 360.0
    return next(name for limit, name in _HUES if angle <= limit)


def palettes_text(palettes: Mapping[str, Tensor]) -> str:
    """Palettes as JSON, a*b* to two decimals."""
    rounded = {
        name: [[[round(value, 2) for value in row] for row in plane] for plane in palette.tolist()]
        for name, palette in palettes.items()
    }
    return json.dumps(rounded)


def parse_palettes(text: str, where: Path) -> dict[str, Tensor]:
    """The palettes that `palettes_text` wrote.

    Raises:
        DeepfieldError: the text, which stands in `where`, is damaged.
    """
    try:
        named = json.loads(text)
        palettes = {str(name): torch.tensor(values, dtype=torch.float32) for name, values in named.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise DeepfieldError(f"The palettes {where} cannot be read: {error}.") from None
    if any(palette.shape != (2, SURROUND_STEPS, LIGHTNESS_STEPS) for palette in palettes.values()):
        raise DeepfieldError(f"The palettes {where} are of another version's size.")
    return palettes


def save_palettes(path: Path, palettes: Mapping[str, Tensor]) -> None:
    """Write palettes as JSON."""
    write_text(path, palettes_text(palettes) + "\n")


def load_palettes(path: Path) -> dict[str, Tensor]:
    """The palettes that `save_palettes` wrote; none where there is no file.

    Raises:
        DeepfieldError: the file is damaged.
    """
    try:
        return parse_palettes(path.read_text(encoding="utf-8"), path) if path.exists() else {}
    except UnicodeDecodeError as error:
        raise DeepfieldError(f"The palettes {path} cannot be read: {error}.") from None
