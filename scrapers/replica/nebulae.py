"""Nebulae: clouds lit and eaten by hot stars, planetary nebulae, supernova shells, reflection nebulae.

Ionisation is layered as in real H II regions: doubly ionised oxygen near the star, hydrogen through the
cavity, sulphur and nitrogen at the rims, dark neutral dust behind (Osterbrock & Ferland 2006).
"""

import cv2
import numpy as np

from scrapers.replica.arrays import FloatArray
from scrapers.replica.scene import Layer, Scene, Stars
from scrapers.replica.spectra import HALPHA, HBETA, NII, OII, OIII, SII, SIII, Spectrum
from scrapers.replica.stars import field_stars, main_sequence_k, power_law
from scrapers.replica.textures import bend, ridges, smooth, turbulence

# Line rates of three zones, outward from the star, in the proportions of real H II regions.
OXYGEN = Spectrum(None, ((OIII, 5.5), (HBETA, 1.2), (HALPHA, 3.2), (NII, 0.4), (SII, 0.5), (SIII, 0.9)))
HYDROGEN = Spectrum(9000, ((HALPHA, 5.0), (NII, 1.3), (HBETA, 1.5), (OIII, 1.6), (SII, 0.6), (OII, 1.0), (SIII, 1.0)))
SULPHUR = Spectrum(None, ((SII, 3.6), (NII, 2.4), (HALPHA, 4.6), (HBETA, 0.9), (OIII, 0.3), (SIII, 0.5)))
SCATTERED = Spectrum(24000)


def emission_nebula(rng: np.random.Generator, size: int) -> Scene:
    """A star-forming cloud: a teal cavity about hot stars, red and golden rims, pillars and dust in shadow.

    The light of the star is followed outward through three slices of turbulent gas; what recombines on the
    way is taken from it, so that fronts and shadows lie where they should.
    """
    star = size * rng.uniform(0.2, 0.8, 2)
    wall = turbulence(rng, size, 4.0, 1.0)
    shape = turbulence(rng, size, 3.0, 0.4)
    power = rng.uniform(0.3, 0.7)
    layers: list[Layer] = []
    screen = np.zeros((size, size), np.float32)
    for _ in range(3):
        own = turbulence(rng, size, 2.9, 0.3)
        swirl = 12 * smooth(turbulence(rng, size, 3.4, 0.3), 2)
        gas = np.exp(0.6 * wall + 0.5 * shape + 0.7 * bend(own, swirl, -np.roll(swirl, size // 3, 0)))
        gas *= 0.7 + 0.8 * ridges(bend(turbulence(rng, size, 2.7, 0.15), -swirl, swirl), 2.2)
        gas = (gas / gas.mean()).astype(np.float32)
        left = _light_left(gas, star, power)
        square = gas**1.3
        inside, front = _rise(left, 0.02, 0.3), np.exp(-(((left - 0.15) / 0.15) ** 2))
        layers += [
            Layer(0.14 * square * inside, HYDROGEN, screen),
            Layer(0.14 * (0.35 + square) * _rise(left, 0.3, 0.95), OXYGEN, screen),
            Layer((0.13 * square * front).astype(np.float32), SULPHUR, screen),
        ]
        screen = screen + 0.55 * gas * (1 - inside) + 0.05 * gas
    haze = _glow(size, star, 0.45 * size)
    layers += [
        Layer(0.05 * haze, OXYGEN),
        Layer((0.035 * np.exp(0.4 * shape)).astype(np.float32), HYDROGEN, 0.25 * screen),
        Layer((0.35 * haze * np.exp(0.5 * shape)).astype(np.float32), SCATTERED, 0.8 * screen),
    ]
    return Scene(size, tuple(layers), _hot_cluster(rng, size, star, screen)) + field_stars(rng, size, 40, 900)


def reflection_nebula(rng: np.random.Generator, size: int) -> Scene:
    """Dust that shines by a star's light: blue near the star, brown and dark where it is thick."""
    swirl = 14 * smooth(turbulence(rng, size, 3.4, 0.35), 2)
    dust = np.exp(0.8 * bend(turbulence(rng, size, 3.1, 0.5), swirl, np.roll(swirl, size // 2, 1)))
    fibres = ridges(bend(turbulence(rng, size, 2.9, 0.25), swirl, -swirl), 1.5)
    clouds = np.clip(bend(turbulence(rng, size, 3.2, 0.5), -swirl, swirl) - 0.2, 0, None)
    depth = (0.3 * dust + 2.2 * clouds * (0.6 + 0.6 * fibres)).astype(np.float32)
    count = int(rng.integers(2, 5))
    places = size * rng.uniform(0.25, 0.75, (count, 2))
    power = power_law(rng, count, 1.5, 600, 2500)
    lit = sum(light / 1500 * _glow(size, place, 0.09 * size) for place, light in zip(places, power, strict=True))
    glow = (1.3 * lit * dust * (0.35 + fibres)).astype(np.float32)
    veil = np.exp(0.35 * turbulence(rng, size, 3.2)).astype(np.float32)
    hot = Stars.of(places[:, 0], places[:, 1], power, np.clip(rng.normal(17000, 3000, count), 9000, 30000))
    behind = power_law(rng, 400, 1.7, 0.8, 160)
    x, y = rng.random((2, behind.size)) * size
    old = Stars.of(x, y, behind, np.clip(rng.normal(4600, 700, behind.size), 3000, 7000), depth)
    layers = (
        Layer(glow, SCATTERED, 0.35 * depth),
        Layer(0.10 * veil, Spectrum(4600), depth),
        Layer((0.05 * veil * dust).astype(np.float32), HYDROGEN, 0.6 * depth),
    )
    return Scene(size, layers, (hot, old))


def planetary_nebula(rng: np.random.Generator, size: int) -> Scene:
    """The shed shells of a dying star: teal inside, red at the rim, with knots, a halo and a hot white dwarf."""
    rows, columns = np.indices((size, size), dtype=np.float32)
    x, y = size / 2 + rng.normal(0, size * 0.03, 2)
    angle, ratio = rng.uniform(0, np.pi), rng.uniform(0.68, 1.0)
    dx, dy = columns - x, rows - y
    along = dx * np.cos(angle) + dy * np.sin(angle)
    across = (-dx * np.sin(angle) + dy * np.cos(angle)) / ratio
    radius, azimuth = np.hypot(along, across), np.arctan2(across, along)
    reach = size * rng.uniform(0.17, 0.28)
    waist = rng.choice([0.0, 0.12, 0.45])
    ragged = turbulence(rng, size, 3.6, 0.25)
    outline = 1 + waist * np.cos(2 * azimuth) + 0.05 * np.cos(3 * azimuth + 1) + 0.03 * ragged
    r = (radius / (reach * outline)).astype(np.float32)
    spokes = _spokes(rng, azimuth, r)
    swirl = 8 * smooth(turbulence(rng, size, 3.4, 0.3), 2)
    fibres = ridges(bend(turbulence(rng, size, 3.3, 0.15), swirl, -swirl), 2.5)
    texture = np.exp(0.3 * turbulence(rng, size, 3.4, 0.2)) * (0.6 + 0.9 * fibres)

    zones: list[Layer] = []
    for edge in (0.30, 0.45, 0.60, 0.74, 0.87, 1.0):
        own = 1 + 0.035 * turbulence(rng, size, 3.7, 0.3)
        outer_share = float(np.clip((edge - 0.4) / 0.6, 0, 1))
        light = 0.32 * _shell(r * own, edge, 0.86 * edge) * texture * rng.uniform(0.4, 1.3)
        zones += [
            Layer((light * (1 - outer_share) * 1.5).astype(np.float32), OXYGEN),
            Layer((light * outer_share).astype(np.float32), HYDROGEN),
            Layer((light * outer_share**3 * 1.2 * (0.4 + spokes)).astype(np.float32), SULPHUR),
        ]
    halo = 0.03 * np.exp(-((r / 1.6) ** 2)) * (1 + 0.3 * np.sin(9 * r)) * (0.4 + spokes) * texture
    zones += [
        Layer((0.25 * np.exp(-((r / 0.35) ** 2)) * texture).astype(np.float32), Spectrum(60000, OXYGEN.lines)),
        Layer(halo.astype(np.float32), HYDROGEN),
    ]
    dwarf = Stars.of(np.array([x]), np.array([y]), np.array([rng.uniform(300, 1500)]), 50000.0)
    return Scene(size, tuple(zones), (dwarf,)) + field_stars(rng, size, int(rng.integers(60, 160)), 700)


def supernova_remnant(rng: np.random.Generator, size: int) -> Scene:
    """An expanding shell of thin filaments: red hydrogen, teal oxygen and orange sulphur on separate threads."""
    rows, columns = np.indices((size, size), dtype=np.float32)
    x, y = size / 2 + rng.normal(0, size * 0.06, 2)
    reach = size * rng.uniform(0.27, 0.40)
    lumps = turbulence(rng, size, 3.2, 0.3)
    r = np.hypot(columns - x, rows - y) / (reach * (1 + 0.06 * lumps))
    band = np.exp(-(((r - 0.88) / 0.12) ** 2)) + 0.22 * (r < 0.9)
    layers = []
    for spectra, level in ((((HYDROGEN, 0.35), (SULPHUR, 0.65)), 0.7), (((OXYGEN, 1.0),), 0.6)):
        swirl = 10 * smooth(turbulence(rng, size, 3.4, 0.3), 2)
        threads = sum(ridges(bend(turbulence(rng, size, 3.2, outer), swirl, -swirl), 14) for outer in (0.35, 0.2, 0.12))
        patchy = np.exp(0.8 * turbulence(rng, size, 3.4, 0.4))
        picture = level * (threads**1.5 + 0.06) * band * patchy
        layers += [Layer((share * picture).astype(np.float32), spectrum) for spectrum, share in spectra]
    return Scene(size, tuple(layers)) + field_stars(rng, size, int(rng.integers(150, 350)), 500)


def _glow(size: int, place: np.ndarray, core: float) -> FloatArray:
    """Light falling with the square of the distance from a place, flat within `core` px; 1 at the place."""
    rows, columns = np.indices((size, size), dtype=np.float32)
    return (1 / (1 + ((columns - place[0]) ** 2 + (rows - place[1]) ** 2) / core**2)).astype(np.float32)


def _light_left(gas: FloatArray, star: np.ndarray, power: float) -> FloatArray:
    """Share of a star's ionising light that reaches each px: 1 at the star, 0 behind the ionisation front.

    In polar coordinates about the star the light lost to recombination is a running sum along each ray
    (Stromgren 1939), with the share lost per px proportional to the gas squared.
    """
    size = gas.shape[0]
    far = float(np.hypot(*np.maximum(star, size - star)))
    shape = (size, 1024)
    flags = cv2.INTER_LINEAR | cv2.WARP_FILL_OUTLIERS
    centre = (float(star[0]), float(star[1]))
    rays = cv2.warpPolar(gas, shape, centre, far, flags)
    distance = (np.arange(size, dtype=np.float32) + 0.5) / size * far / size
    lost = np.cumsum(rays**2 * distance[None, :] ** 1.2 * (far / size / size), axis=1) / (0.10 * power)
    left = np.clip(1 - lost, 0, 1).astype(np.float32)
    back = cv2.warpPolar(left, (size, size), centre, far, flags | cv2.WARP_INVERSE_MAP)
    return smooth(np.asarray(back, np.float32), 0.7)


def _rise(value: FloatArray, low: float, high: float) -> FloatArray:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def _shell(r: FloatArray, outer: float, inner: float) -> FloatArray:
    """Column through a hollow sphere, brightest at its inner edge."""
    return np.sqrt(np.clip(outer**2 - r**2, 0, None)) - np.sqrt(np.clip(inner**2 - r**2, 0, None))


def _spokes(rng: np.random.Generator, azimuth: FloatArray, r: FloatArray) -> FloatArray:
    """Radial streaks with bright heads, as cometary knots make them; 0 to about 1."""
    table = turbulence(rng, 512, 2.0, 0.03)
    rows = ((azimuth / (2 * np.pi) + 0.5) * 511).astype(np.float32)
    columns = np.clip(r * 60, 0, 511).astype(np.float32)
    return np.clip(0.5 + 0.5 * cv2.remap(table, columns, rows, cv2.INTER_LINEAR), 0, 2)


def _hot_cluster(rng: np.random.Generator, size: int, star: np.ndarray, dust: FloatArray) -> tuple[Stars, ...]:
    """The stars that light the cloud, and redder ones that shine through it."""
    count = int(rng.integers(60, 160))
    flux = power_law(rng, count, 1.6, 4.0, 900)
    offset = rng.standard_t(2.5, (2, count)) * size * 0.05
    hot = Stars.of(star[0] + offset[0], star[1] + offset[1], flux, main_sequence_k(flux, rng, turn=2.0), 0.15 * dust)
    behind = power_law(rng, 420, 1.8, 2.0, 400)
    x, y = rng.random((2, behind.size)) * size
    old = Stars.of(x, y, behind, np.clip(rng.normal(4700, 800, behind.size), 3000, 9000), 1.1 * dust)
    return hot, old
