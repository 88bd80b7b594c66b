"""What outreach sites show besides observations: drawings, charts, people, pages of panels; all made up here.

They have what a filter goes by: writing, flat colours, straight lines, soft gradients. They are like nothing real.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from scrapers.replica.textures import ridges, smooth, turbulence

Draw = Callable[[Image.Image, np.random.Generator], Image.Image]
_PAPER, _INK, _WHITE = (18, 24, 48), (250, 210, 90), (255, 255, 255)
_SKINS = ((224, 178, 140), (141, 92, 62), (245, 214, 190))


def draw(kind: str, observed: Image.Image, seed: int) -> Image.Image:
    """A picture of a kind, RGB, of the size of an observation, which some kinds show.

    Raises:
        KeyError: there is no such kind.
    """
    return _KINDS[kind](observed, np.random.default_rng(seed)).convert("RGB")


def _annotated(observed: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The observation with a compass, a scale bar and labels."""
    picture, (width, height) = observed.copy(), observed.size
    pen = ImageDraw.Draw(picture)
    unit = max(8, min(width, height) // 12)
    x, y = width - 2 * unit, height - 2 * unit
    pen.line([(x, y), (x, y - unit)], _WHITE, 2)
    pen.line([(x, y), (x - unit, y)], _WHITE, 2)
    _write(pen, (x - 3, y - 2 * unit), "N", unit)
    _write(pen, (x - 2 * unit, y - unit // 2), "E", unit)
    pen.line([(unit, height - unit), (4 * unit, height - unit)], _WHITE, 2)
    _write(pen, (unit, height - 2.2 * unit), "1 arcmin", unit)
    for number in range(4):
        where = rng.uniform(0.1, 0.7, 2) * (width, height)
        pen.ellipse([*where, *(where + unit)], outline=_INK, width=2)
        _write(pen, (where[0] + 1.2 * unit, where[1]), f"Source {number + 1}", unit)
    return picture


def _chart(observed: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A spectrum on axes."""
    picture = Image.new("RGB", observed.size, _PAPER)
    pen, (width, height) = ImageDraw.Draw(picture), observed.size
    left, top, right, bottom = 0.12 * width, 0.15 * height, 0.94 * width, 0.82 * height
    pen.rectangle([left, top, right, bottom], outline=_WHITE, width=2)
    for step in range(1, 8):
        x = left + (right - left) * step / 8
        pen.line([(x, bottom), (x, bottom - 8)], _WHITE, 2)
        _write(pen, (x - 10, bottom + 6), str(400 + 50 * step), height // 28)
    counts = np.cumsum(rng.normal(0, 1, 200))
    counts = (counts - counts.min()) / max(float(np.ptp(counts)), 1e-6)
    points = [(left + (right - left) * i / 199, bottom - (bottom - top) * 0.9 * v) for i, v in enumerate(counts)]
    pen.line(points, _INK, 3)
    _write(pen, (left, 0.04 * height), "Brightness by wavelength (nm)", height // 16)
    return picture


def _diagram(observed: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Boxes joined by arrows, beside the observation."""
    picture, (width, height) = Image.new("RGB", observed.size, (235, 238, 244)), observed.size
    picture.paste(observed.resize((max(1, width // 3), max(1, height // 3))), (width // 20, height // 20))
    pen = ImageDraw.Draw(picture)
    for row in range(3):
        y = int(height * (0.45 + 0.18 * row))
        for column in range(3):
            x = int(width * (0.06 + 0.31 * column))
            colour = tuple(int(v) for v in rng.integers(90, 200, 3))
            pen.rectangle([x, y, x + 0.24 * width, y + 0.11 * height], fill=colour, outline=(20, 20, 20), width=2)
            _write(pen, (x + 6, y + 6), f"Step {3 * row + column + 1}", height // 24)
    _write(pen, (0.42 * width, 0.1 * height), "How it was found", height // 14, (20, 20, 20))
    return picture


def _portrait(observed: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A head and shoulders before a wall: soft shading, warm colours, nothing of the sky."""
    width, height = observed.size
    rows, columns = np.indices((height, width), dtype=np.float32)
    x, y = columns / width - 0.5, rows / height - 0.5
    wall = 120 + 60 * y + 6 * smooth(rng.standard_normal((height, width)).astype(np.float32), 5)
    planes = np.stack([wall * share for share in (0.8, 0.9, 1.0)], axis=2)
    skin = np.array(_SKINS[int(rng.integers(len(_SKINS)))], np.float32)
    light = (1.0 - 0.6 * (x + 0.15) ** 2 * 4)[..., None]
    for inside, colour in (
        ((x / 0.36) ** 2 + ((y - 0.52) / 0.3) ** 2, np.array((40, 60, 130), np.float32)),
        ((x / 0.16) ** 2 + ((y + 0.06) / 0.22) ** 2, skin),
        ((x / 0.17) ** 2 + ((y + 0.22) / 0.11) ** 2, np.array((50, 36, 28), np.float32)),
    ):
        edge = np.clip((1.05 - inside) * 12, 0, 1)[..., None]
        planes = planes * (1 - edge) + colour * light * edge
    return _image(planes)


def _collage(observed: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Four cut-outs on white, each with a caption."""
    width, height = observed.size
    picture = Image.new("RGB", observed.size, _WHITE)
    pen = ImageDraw.Draw(picture)
    side = (max(1, int(0.42 * width)), max(1, int(0.38 * height)))
    for number in range(4):
        x, y = int(width * (0.05 + 0.48 * (number % 2))), int(height * (0.04 + 0.48 * (number // 2)))
        left, top = (int(v) for v in rng.uniform(0, 0.5, 2) * (width, height))
        part = observed.crop((left, top, left + width // 2, top + height // 2))
        picture.paste(part.resize(side), (x, y))
        _write(pen, (x, y + side[1] + 4), f"Panel {'abcd'[number]}", height // 24, (20, 20, 20))
    return picture


def _planet(observed: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A banded disc on black."""
    width, height = observed.size
    rows, columns = np.indices((height, width), dtype=np.float32)
    radius = 0.36 * min(width, height)
    x, y = (columns - width / 2) / radius, (rows - height / 2) / radius
    inside = x**2 + y**2 < 1
    bands = 0.6 + 0.25 * np.sin(14 * y + rng.uniform(0, 6)) + 0.05 * np.sin(31 * y + 4 * x)
    shade = bands * np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))
    return _image(np.stack([255 * shade * share * inside for share in (0.95, 0.8, 0.6)], axis=2))


def _simulation(observed: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A web of filaments."""
    width, height = observed.size
    web = ridges(turbulence(rng, max(width, height), 3.4), 7.0)[:height, :width]
    return _image(np.stack([255 * web**power for power in (1.6, 2.4, 1.0)], axis=2))


def _artwork(observed: Image.Image, rng: np.random.Generator) -> Image.Image:
    """An artist's impression: a glowing disc with two jets, too smooth for any detector."""
    width, height = observed.size
    rows, columns = np.indices((height, width), dtype=np.float32)
    x, y = columns / width - 0.5, rows / height - 0.5
    disc = np.exp(-((x / 0.3) ** 2 + (y / 0.07) ** 2) * 2)
    jets = np.exp(-((x / 0.02) ** 2)) * np.exp(-np.abs(y) * 5)
    haze = 0.25 + 0.1 * smooth(turbulence(rng, max(width, height), 3.6)[:height, :width], 3)
    return _image(np.stack([255 * (disc + 0.2 * haze), 255 * (0.6 * disc + 0.5 * jets), 255 * (haze + jets)], axis=2))


def _spacecraft(observed: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A tube with two flat wings above a bright limb."""
    picture, (width, height) = Image.new("RGB", observed.size, (8, 10, 20)), observed.size
    pen = ImageDraw.Draw(picture)
    pen.ellipse([-0.5 * width, 0.7 * height, 1.5 * width, 2.4 * height], fill=(70, 120, 190))
    for side in (0.12, 0.64):
        pen.rectangle([side * width, 0.3 * height, (side + 0.24) * width, 0.5 * height], fill=(40, 60, 120))
        for line in range(1, 6):
            x = (side + 0.04 * line) * width
            pen.line([(x, 0.3 * height), (x, 0.5 * height)], (190, 190, 200), 2)
    pen.rectangle([0.4 * width, 0.18 * height, 0.6 * width, 0.62 * height], fill=(200, 202, 208))
    for line in range(1, int(rng.integers(4, 9))):
        y = (0.18 + 0.05 * line) * height
        pen.line([(0.4 * width, y), (0.6 * width, y)], (120, 122, 128), 2)
    return picture


def _poster(observed: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The observation in a frame with a title, as calendars and cards have it."""
    width, height = observed.size
    picture = Image.new("RGB", observed.size, tuple(int(v) for v in rng.integers(10, 60, 3)))
    picture.paste(observed.resize((max(1, int(0.8 * width)), max(1, int(0.66 * height)))), (width // 10, height // 12))
    _write(ImageDraw.Draw(picture), (0.1 * width, 0.82 * height), "SEASON'S GREETINGS", height // 14, _INK)
    return picture


def _wide_field(observed: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The sky around, as a small telescope on the ground sees it: coarse, with broad round stars."""
    width, height = observed.size
    counts = np.zeros((height, width), np.float32)
    number = max(40, width * height // 700)
    flux = rng.pareto(1.2, number).astype(np.float32)
    np.add.at(counts, (rng.integers(0, height, number), rng.integers(0, width, number)), flux)
    seen = smooth(counts, 2.4) * 160 + rng.normal(14, 2, (height, width)).astype(np.float32)
    return _image(np.stack([seen * share for share in (1.0, 0.96, 0.9)], axis=2))


def _gray(observed: Image.Image, rng: np.random.Generator) -> Image.Image:
    return observed.convert("L")


def _detail(observed: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A quarter of the observation, enlarged to its size."""
    width, height = observed.size
    x, y = (int(v) for v in rng.uniform(0.1, 0.4, 2) * (width, height))
    return observed.crop((x, y, x + width // 2, y + height // 2)).resize(observed.size)


def _write(
    pen: ImageDraw.ImageDraw,
    where: tuple[float, float],
    text: str,
    size: float,
    colour: tuple[int, int, int] = _WHITE,
) -> None:
    pen.text(where, text, fill=colour, font=ImageFont.load_default(max(8, int(size))))


def _image(planes: NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(np.clip(planes, 0, 255).astype(np.uint8))


_KINDS: Mapping[str, Draw] = {
    "annotated": _annotated,
    "artwork": _artwork,
    "chart": _chart,
    "collage": _collage,
    "detail": _detail,
    "diagram": _diagram,
    "gray": _gray,
    "planet": _planet,
    "portrait": _portrait,
    "poster": _poster,
    "simulation": _simulation,
    "spacecraft": _spacecraft,
    "wide_field": _wide_field,
}
KINDS = tuple(_KINDS)
