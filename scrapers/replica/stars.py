"""Populations of stars: field stars, open and globular clusters, the crowded disk of the Milky Way.

Brightness and temperature go together as in a Hertzsprung-Russell diagram, so that colour can be told from
brightness to the degree it can in the sky.
"""

import numpy as np

from scrapers.replica.arrays import FloatArray
from scrapers.replica.scene import Layer, Scene, Stars
from scrapers.replica.spectra import Spectrum
from scrapers.replica.textures import smooth, turbulence


def power_law(rng: np.random.Generator, count: int, slope: float, low: float, high: float) -> FloatArray:
    """Draw fluxes with dN/dF proportional to F**-slope between two limits (slope other than 1)."""
    power = 1 - slope
    drawn = rng.random(count)
    return ((low**power + drawn * (high**power - low**power)) ** (1 / power)).astype(np.float32)


def main_sequence_k(flux: FloatArray, rng: np.random.Generator, turn: float) -> FloatArray:
    """Temperatures of dwarfs at one distance: 5800 K at flux `turn`, hotter when brighter.

    L goes about as T**6 along the sequence; a tenth of scatter stands for binaries and metallicity.
    """
    scatter = rng.normal(1.0, 0.08, flux.shape)
    return np.clip(5800 * (flux / turn) ** (1 / 6) * scatter, 2900, 32000).astype(np.float32)


def field_stars(rng: np.random.Generator, size: int, count: int, brightest: float = 400.0) -> Scene:
    """Foreground stars at mixed distances: mostly orange dwarfs, a few yellow and blue ones, seldom a red giant."""
    flux = power_law(rng, count, 1.6, 1.0, brightest)
    kind = rng.random(count)
    temperature = np.select(
        [kind < 0.5, kind < 0.8, kind < 0.92],
        [rng.normal(3900, 350, count), rng.normal(5600, 500, count), rng.normal(9000, 1800, count)],
        rng.normal(4300, 300, count),
    )
    x, y = rng.random((2, count)) * size
    return Scene(size, stars=(Stars.of(x, y, flux, np.clip(temperature, 2900, 16000)),))


def few_stars(rng: np.random.Generator, size: int) -> Scene:
    """A field with next to nothing in it: three to five stars."""
    count = int(rng.integers(3, 6))
    x, y = rng.uniform(0.25, 0.75, (2, count)) * size
    return Scene(size, stars=(Stars.of(x, y, power_law(rng, count, 1.2, 400, 6000), rng.uniform(3500, 9000, count)),))


def bright_stars(rng: np.random.Generator, size: int) -> Scene:
    """One to three stars a thousand times brighter than the rest of the field."""
    count = int(rng.integers(1, 4))
    x, y = rng.uniform(0.3, 0.7, (2, count)) * size
    glare = Stars.of(x, y, power_law(rng, count, 1.2, 1e5, 4e5), rng.uniform(4500, 9000, count))
    return Scene(size, stars=(glare,)) + field_stars(rng, size, 60, 400)


def globular_cluster(rng: np.random.Generator, size: int) -> Scene:
    """A globular: yellow-white main sequence, orange giants among the brightest, a few blue horizontal-branch stars."""
    count = int(rng.integers(5000, 9000))
    core = size * rng.uniform(0.05, 0.11)
    radius = core * np.sqrt((1 - rng.random(count) * 0.985) ** (-1 / 0.75) - 1)
    angle = rng.random(count) * 2 * np.pi
    centre = size / 2 + rng.normal(0, size * 0.04, 2)
    flux = power_law(rng, count, 1.75, 0.25, 260.0)
    temperature = np.clip(rng.normal(6300, 350, count) * (flux / 3) ** 0.03, 4500, 8000)
    giant = (flux > 14) & (rng.random(count) < 0.8)
    temperature[giant] = np.clip(5000 - 480 * np.log10(flux[giant] / 14) * rng.normal(1, 0.15, giant.sum()), 3400, 5200)
    horizontal = (flux > 6) & ~giant & (rng.random(count) < 0.55)
    temperature[horizontal] = rng.normal(11500, 2000, horizontal.sum())
    stars = Stars.of(centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle), flux, temperature)
    return Scene(size, stars=(stars,)) + field_stars(rng, size, 12, 150)


def open_cluster(rng: np.random.Generator, size: int) -> Scene:
    """A young cluster: the brightest stars blue, a few red supergiants, faint ones orange, wisps about them."""
    count = int(rng.integers(500, 900))
    centre = size / 2 + rng.normal(0, size * 0.05, 2)
    spread = size * rng.uniform(0.11, 0.17)
    offset = rng.standard_t(3, (2, count)) * spread * 0.7
    flux = power_law(rng, count, 1.55, 0.6, 1500.0)
    temperature = np.minimum(main_sequence_k(flux, rng, turn=0.4), 22000)
    reds = rng.choice(np.argsort(flux)[-12:], int(rng.integers(3, 6)), replace=False)
    temperature[reds] = rng.normal(3900, 200, reds.size)
    stars = Stars.of(centre[0] + offset[0], centre[1] + offset[1], flux, temperature)
    rows, columns = np.indices((size, size), dtype=np.float32)
    glow = np.exp(-(((columns - centre[0]) ** 2 + (rows - centre[1]) ** 2) / (2 * (2.2 * spread) ** 2)))
    wisps = (0.06 * glow * np.exp(0.9 * turbulence(rng, size, 3.2))).astype(np.float32)
    return Scene(size, (Layer(wisps, Spectrum(16000)),), (stars,)) + field_stars(rng, size, 60, 25)


def star_field(rng: np.random.Generator, size: int) -> Scene:
    """The crowded Milky Way: thousands of old stars behind patchy dust, so that clouds redden before they hide."""
    count = int(rng.integers(6000, 11000))
    dust = np.exp(0.8 * turbulence(rng, size, 3.1) + rng.uniform(-1.2, -0.4)).astype(np.float32)
    dust += 2.5 * np.clip(turbulence(rng, size, 3.4) - rng.uniform(0.7, 1.5), 0, None)
    flux = power_law(rng, count, 1.85, 0.25, 700.0)
    temperature = np.where(flux > 20, rng.normal(4500, 500, count), rng.normal(5800, 500, count))
    young = rng.random(count) < 0.06
    temperature[young] = rng.normal(13000, 3000, young.sum())
    x, y = rng.random((2, count)) * size
    glow = smooth(np.exp(0.4 * turbulence(rng, size, 3.0)), 4) * 0.05
    return Scene(
        size,
        (Layer(glow, Spectrum(4700), dust),),
        (Stars.of(x, y, flux, np.clip(temperature, 3000, 25000), dust),),
    )
