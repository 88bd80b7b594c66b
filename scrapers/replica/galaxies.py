"""Galaxies: spirals, edge-on disks, ellipticals, groups and deep fields.

Old stars are yellow to red and sit in bulges and ellipticals; arms are blue with pink H II regions; dust lies
on the inner edge of the arms. Profiles are Sersic's (1968), disks exponential (Freeman 1970).
"""

from dataclasses import dataclass

import numpy as np

from scrapers.replica.arrays import FloatArray
from scrapers.replica.scene import Layer, Scene, Stars
from scrapers.replica.spectra import HALPHA, HBETA, NII, OII, OIII, SII, SIII, Spectrum
from scrapers.replica.stars import field_stars, power_law
from scrapers.replica.textures import bend, ridges, smooth, turbulence

OLD = Spectrum(4100)
MIXED = Spectrum(5600)
YOUNG = Spectrum(15000)
# An equivalent width of about 1800 angstrom in H-alpha, against the 1230 of the V band, is a young H II region.
HII = Spectrum(13000, ((OII, 0.4), (HBETA, 0.3), (OIII, 0.3), (HALPHA, 1.5), (NII, 0.4), (SII, 0.2), (SIII, 1.4)))


@dataclass(frozen=True)
class Tilt:
    """Where a disk lies: centre in px, position angle in radians, axis ratio (cosine of the inclination)."""

    x: float
    y: float
    angle: float
    ratio: float

    def plane(self, size: int) -> tuple[FloatArray, FloatArray]:
        """Coordinates in the plane of the disk, in px, of each px of the patch."""
        rows, columns = np.indices((size, size), dtype=np.float32)
        dx, dy = columns - self.x, rows - self.y
        along = dx * np.cos(self.angle) + dy * np.sin(self.angle)
        across = -dx * np.sin(self.angle) + dy * np.cos(self.angle)
        return along.astype(np.float32), (across / self.ratio).astype(np.float32)


def sersic(radius: FloatArray, effective: float, index: float) -> FloatArray:
    """Surface brightness relative to that at the effective radius (b_n after Ciotti & Bertin 1999)."""
    b = 2 * index - 1 / 3 + 0.009876 / index
    return np.exp(-b * ((np.maximum(radius, 0.3) / effective) ** (1 / index) - 1)).astype(np.float32)


def spiral(rng: np.random.Generator, size: int) -> Scene:
    """A disk galaxy with two to four arms, from grand design to ragged, barred or not, tilted up to 65 degrees."""
    reach = size * rng.uniform(0.27, 0.40)
    tilt = Tilt(
        size / 2 + rng.normal(0, size * 0.035),
        size / 2 + rng.normal(0, size * 0.035),
        rng.uniform(0, np.pi),
        rng.uniform(0.42, 0.97),
    )
    along, across = tilt.plane(size)
    radius, azimuth = np.hypot(along, across), np.arctan2(across, along)
    scale = reach / rng.uniform(2.7, 3.6)
    disk = np.exp(-radius / scale) * np.clip((1.25 * reach - radius) / (0.25 * reach), 0, 1)

    arms, pitch, ragged = int(rng.choice([2, 2, 2, 3, 4])), np.deg2rad(rng.uniform(11, 26)), rng.uniform(0.25, 0.8)
    inner = reach * rng.uniform(0.10, 0.22)
    wobble = smooth(turbulence(rng, size, 3.2, 0.25), 1.5)
    phase = arms * (azimuth - np.log(np.maximum(radius, 2) / inner) / np.tan(pitch)) + ragged * wobble * (
        0.4 + radius / reach
    )
    onset = 1 / (1 + np.exp(-(radius - inner) / (0.12 * inner + 1)))
    ridge = (0.5 + 0.5 * np.cos(phase)) * onset
    lane = (0.5 + 0.5 * np.cos(phase + 0.85)) ** 6 * onset
    spur = (0.5 + 0.5 * np.cos(2 * phase + 1.3 * wobble)) ** 3 * onset

    clumps = np.exp(0.6 * turbulence(rng, size, 2.4, 0.08) - 0.18)
    arm = ridge**2.5 + 0.25 * spur
    strength = rng.uniform(0.8, 1.5)
    young = (
        strength
        * np.exp(-radius / (1.5 * scale))
        * (0.10 + arm)
        * clumps
        * np.clip((1.3 * reach - radius) / (0.4 * reach), 0, 1)
    )
    old = 0.9 * disk * (1 + 0.4 * ridge)
    bulge_radius = reach * rng.uniform(0.05, 0.11)
    flat = np.hypot(along, across * (0.55 + 0.45 * tilt.ratio))
    bulge = rng.uniform(0.6, 1.2) * sersic(flat, bulge_radius, rng.uniform(1.3, 2.4))
    if rng.random() < 0.4:
        bar_angle = rng.uniform(0, np.pi)
        bar_x = along * np.cos(bar_angle) + across * np.sin(bar_angle)
        bar_y = -along * np.sin(bar_angle) + across * np.cos(bar_angle)
        bulge = bulge + 0.55 * np.exp(-((bar_x / (1.15 * inner)) ** 4) - (bar_y / (0.3 * inner)) ** 2)

    veins = ridges(bend(turbulence(rng, size, 2.8, 0.15), 5 * wobble, -5 * wobble), 2.2)
    dust = (
        rng.uniform(0.9, 2.0)
        * np.exp(-radius / (2.2 * scale))
        * (0.08 + 1.9 * lane * (0.35 + veins) + 0.35 * veins * onset)
        * np.clip((1.2 * reach - radius) / (0.4 * reach), 0, 1)
    ).astype(np.float32)
    dust /= 0.45 + 0.55 * tilt.ratio

    likely = (
        ridge**5 * np.exp(-radius / (1.9 * scale)) * clumps**2 * np.clip((1.15 * reach - radius) / (0.3 * reach), 0, 1)
    ).astype(np.float32)
    knots = _hii_regions(rng, likely, int(rng.integers(250, 600)))
    clusters = _young_clusters(rng, likely, int(rng.integers(400, 1100)), dust)
    layers = (
        Layer(bulge.astype(np.float32), OLD, 0.75 * dust),
        Layer(old.astype(np.float32), MIXED, dust),
        Layer(young.astype(np.float32), YOUNG, 0.8 * dust),
        Layer(knots, HII, 0.5 * dust),
    )
    return Scene(size, layers, (clusters,)) + _surroundings(rng, size)


def edge_on(rng: np.random.Generator, size: int) -> Scene:
    """A disk seen from the side: a yellow bulge, a thin blue disk, a ragged brown lane of dust along it."""
    tilt = Tilt(size / 2 + rng.normal(0, 8), size / 2 + rng.normal(0, 8), rng.uniform(0, np.pi), 1.0)
    along, height = tilt.plane(size)
    scale, thick = size * rng.uniform(0.09, 0.14), size * rng.uniform(0.011, 0.02)
    warp = size * rng.normal(0, 0.01) * np.sin(along / (2.5 * scale))
    height = height + warp.astype(np.float32)
    radius = np.abs(along)
    thin = np.exp(-radius / scale) * _sech2(height / thick)
    broad = np.exp(-radius / (1.1 * scale)) * _sech2(height / (2.6 * thick))
    bulge = 1.3 * sersic(np.hypot(along, height / 0.7), size * rng.uniform(0.025, 0.05), 2.2)
    halo = 0.08 * sersic(np.hypot(along, height / 0.5), size * 0.12, 1.6)
    clumps = np.exp(0.8 * turbulence(rng, size, 2.3, 0.06))
    ragged = turbulence(rng, size, 2.9, 0.15)
    offset = thick * rng.uniform(-0.35, 0.35)
    lane = np.exp(-(((height - offset + 0.35 * thick * ragged) / (0.42 * thick)) ** 2)) * np.exp(
        -radius / (2.2 * scale)
    )
    fingers = (
        ridges(turbulence(rng, size, 2.7, 0.1), 2.0)
        * np.exp(-((height / (1.6 * thick)) ** 2))
        * np.exp(-radius / (1.5 * scale))
    )
    dust = (rng.uniform(1.6, 2.8) * lane * np.exp(0.35 * ragged) + 0.8 * fingers).astype(np.float32)
    young = (1.0 * thin * clumps * (radius > 0.25 * scale)).astype(np.float32)
    knots = _hii_regions(rng, (thin * clumps**2 * (radius > 0.5 * scale)).astype(np.float32), 70)
    layers = (
        Layer((bulge + halo).astype(np.float32), OLD, 0.8 * dust),
        Layer((0.9 * broad).astype(np.float32), MIXED, dust),
        Layer(young, YOUNG, 0.8 * dust),
        Layer(knots, HII, 0.6 * dust),
    )
    return Scene(size, layers) + _surroundings(rng, size)


def elliptical(rng: np.random.Generator, size: int) -> Scene:
    """An elliptical or lenticular: golden about a younger middle, globular clusters, shells, at times a dust disk."""
    tilt = Tilt(
        size / 2 + rng.normal(0, 12), size / 2 + rng.normal(0, 12), rng.uniform(0, np.pi), rng.uniform(0.55, 0.95)
    )
    along, across = tilt.plane(size)
    radius = np.hypot(along, across)
    effective = size * rng.uniform(0.05, 0.10)
    light = 0.8 * sersic(radius, effective, rng.uniform(2.6, 4.0))
    shells = 1 + 0.07 * np.sin(radius / effective * 3.0 + 2 * np.arctan2(across, along)) ** 8
    inner = light * np.exp(-radius / (1.5 * effective))
    outer = light * (1 - np.exp(-radius / (1.5 * effective))) * shells
    dust = np.zeros((size, size), np.float32)
    if rng.random() < 0.5:
        ring, thickness = effective * rng.uniform(0.6, 1.4), rng.uniform(0.15, 0.35)
        flat = np.hypot(along, across / thickness)
        veins = ridges(bend(turbulence(rng, size, 2.8, 0.12), across, along * np.float32(1 / 6)), 1.6)
        dust = (
            2.2 * np.exp(-(((flat - ring) / (0.35 * ring)) ** 2)) * (0.3 + veins) * (0.6 + 0.4 * np.sign(across))
        ).astype(np.float32)
    count = int(rng.integers(120, 400))
    spread = effective * np.abs(rng.standard_t(2.2, count)) * 1.5
    around = rng.random(count) * 2 * np.pi
    globulars = Stars.of(
        tilt.x + spread * np.cos(around),
        tilt.y + spread * np.sin(around),
        power_law(rng, count, 1.7, 0.6, 14.0),
        rng.choice([4300.0, 5400.0], count),
    )
    layers = (
        Layer(inner.astype(np.float32), Spectrum(4900), dust),
        Layer(outer.astype(np.float32), Spectrum(4000), dust),
    )
    return Scene(size, layers, (globulars,)) + _surroundings(rng, size, galaxies=60, brightest=1.5)


def galaxy_cluster(rng: np.random.Generator, size: int) -> Scene:
    """A rich cluster: golden ellipticals about a giant one, thin blue arcs of lensed galaxies, blue field galaxies."""
    centre = size / 2 + rng.normal(0, size * 0.05, 2)
    count = int(rng.integers(70, 130))
    spread = np.abs(rng.standard_t(2.5, count)) * size * 0.16
    around = rng.random(count) * 2 * np.pi
    members = _Catalogue(
        centre[0] + spread * np.cos(around),
        centre[1] + spread * np.sin(around),
        power_law(rng, count, 1.9, 0.08, 2.2),
        np.clip(rng.lognormal(np.log(size * 0.006), 0.45, count), 1.2, size * 0.025),
        rng.uniform(0.5, 1.0, count),
        rng.uniform(0, np.pi, count),
        np.full(count, 3.0),
    )
    giant = Tilt(centre[0], centre[1], rng.uniform(0, np.pi), 0.72)
    radius = np.hypot(*giant.plane(size))
    layers = (
        Layer(_paint(size, members), Spectrum(3600)),
        Layer(0.5 * sersic(radius, size * 0.045, 3.6), Spectrum(4400)),
        Layer(_arcs(rng, size, centre), Spectrum(11000)),
        Layer(0.05 * sersic(radius, size * 0.18, 1.6), Spectrum(4000)),
    )
    return Scene(size, layers) + _surroundings(rng, size, galaxies=260, stars=8, brightest=2.5)


def deep_field(rng: np.random.Generator, size: int) -> Scene:
    """A deep field: hundreds of faint galaxies of all kinds and colours, hardly a star."""
    return _surroundings(rng, size, galaxies=int(rng.integers(420, 640)), stars=4, brightest=3.0)


def _surroundings(
    rng: np.random.Generator, size: int, galaxies: int = 22, stars: int | None = None, brightest: float = 0.8
) -> Scene:
    """What lies before and behind: foreground stars, and background galaxies that redden with distance."""
    layers = []
    for share, spectrum, index, ratio, bright in (
        (0.30, Spectrum(3700), 2.5, (0.55, 1.0), 1.0),
        (0.28, Spectrum(5200), 1.0, (0.25, 0.9), 1.0),
        (0.42, Spectrum(10500), 0.9, (0.2, 0.9), 2.0),
    ):
        count = int(galaxies * share)
        x, y = rng.random((2, count)) * size
        catalogue = _Catalogue(
            x,
            y,
            bright * power_law(rng, count, 2.1, 0.05, brightest),
            np.clip(rng.lognormal(np.log(2.3), 0.42, count), 1.1, size * 0.022),
            rng.uniform(*ratio, count),
            rng.uniform(0, np.pi, count),
            np.full(count, index),
        )
        layers.append(Layer(_paint(size, catalogue), spectrum))
    return Scene(size, tuple(layers)) + field_stars(
        rng, size, int(rng.integers(8, 26)) if stars is None else stars, 260
    )


@dataclass(frozen=True)
class _Catalogue:
    """Small galaxies, one per entry: place, surface brightness at the effective radius, that radius, shape."""

    x: np.ndarray
    y: np.ndarray
    brightness: np.ndarray
    effective: np.ndarray
    ratio: np.ndarray
    angle: np.ndarray
    index: np.ndarray


def _paint(size: int, catalogue: _Catalogue) -> FloatArray:
    """Add Sersic profiles to an empty picture, each cut at eight effective radii."""
    picture = np.zeros((size, size), np.float32)
    columns_of = (catalogue.x, catalogue.y, catalogue.brightness, catalogue.effective, catalogue.ratio)
    for x, y, brightness, effective, ratio, angle, index in zip(
        *columns_of, catalogue.angle, catalogue.index, strict=True
    ):
        reach = int(np.ceil(8 * effective))
        left, bottom = max(int(x) - reach, 0), max(int(y) - reach, 0)
        right, top = min(int(x) + reach + 1, size), min(int(y) + reach + 1, size)
        if right <= left or top <= bottom:
            continue
        rows, columns = np.ogrid[bottom:top, left:right]
        dx, dy = columns - x, rows - y
        along = dx * np.cos(angle) + dy * np.sin(angle)
        across = (-dx * np.sin(angle) + dy * np.cos(angle)) / ratio
        radius = np.hypot(along, across).astype(np.float32)
        edge = np.clip(8 - radius / effective, 0, 1)
        picture[bottom:top, left:right] += brightness * edge * sersic(radius, effective, index)
    return picture


def _sech2(height: FloatArray) -> FloatArray:
    """Vertical profile of an isothermal sheet (Spitzer 1942)."""
    return (1 / np.cosh(np.clip(height, -30, 30)) ** 2).astype(np.float32)


def _arcs(rng: np.random.Generator, size: int, centre: np.ndarray) -> FloatArray:
    """Thin tangential arcs at the Einstein radius of the cluster."""
    rows, columns = np.indices((size, size), dtype=np.float32)
    dx, dy = columns - centre[0], rows - centre[1]
    radius, azimuth = np.hypot(dx, dy / 0.85), np.arctan2(dy, dx)
    picture = np.zeros((size, size), np.float32)
    for _ in range(int(rng.integers(6, 14))):
        ring, width = size * rng.uniform(0.10, 0.24), rng.uniform(0.9, 1.8)
        middle, length = rng.uniform(-np.pi, np.pi), rng.uniform(0.08, 0.38)
        away = np.angle(np.exp(1j * (azimuth - middle)))
        picture += rng.uniform(0.15, 0.6) * np.exp(-(((radius - ring) / width) ** 2) - (away / length) ** 4).astype(
            np.float32
        )
    return picture


def _sample(rng: np.random.Generator, likely: FloatArray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw places with probability proportional to a picture."""
    cumulative = np.cumsum(likely, dtype=np.float64, axis=None)
    index = np.searchsorted(cumulative, rng.random(count) * cumulative[-1])
    row, column = np.unravel_index(np.minimum(index, likely.size - 1), likely.shape)
    return column + rng.random(count) - 0.5, row + rng.random(count) - 0.5


def _hii_regions(rng: np.random.Generator, likely: FloatArray, count: int) -> FloatArray:
    """Glowing gas about young stars: many small, few large, as their luminosity function has it."""
    picture = np.zeros_like(likely)
    size = likely.shape[0]
    for sigma, share, brightness in ((0.9, 0.70, 0.35), (1.6, 0.25, 0.22), (2.8, 0.05, 0.12)):
        x, y = _sample(rng, likely, max(int(count * share), 1))
        points = np.zeros_like(likely)
        inside = (x >= 0) & (x < size) & (y >= 0) & (y < size)
        np.add.at(
            points,
            (y[inside].astype(int), x[inside].astype(int)),
            power_law(rng, int(inside.sum()), 1.8, 0.4, 5.0),
        )
        picture += brightness * 2 * np.pi * sigma**2 * smooth(points, sigma)
    return picture * np.exp(0.5 * turbulence(rng, size, 2.2, 0.05))


def _young_clusters(rng: np.random.Generator, likely: FloatArray, count: int, dust: FloatArray) -> Stars:
    """Star clusters and supergiants along the arms: blue points, one in twelve red."""
    x, y = _sample(rng, likely, count)
    temperature = np.where(rng.random(count) < 0.08, 3700.0, rng.normal(17000, 3000, count))
    return Stars.of(x, y, power_law(rng, count, 1.8, 0.4, 14.0), np.clip(temperature, 3300, 30000), 0.6 * dust)
