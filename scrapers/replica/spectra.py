"""What a filter sees of a source: blackbody continua, emission lines, reddening by dust.

All rates are relative to what ACS F555W counts of the same continuum, so that a picture given as "electrons
per second in V" can be carried to any filter.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scrapers.replica.arrays import FloatArray
from scrapers.replica.instruments import FILTERS, Filter

_V = FILTERS["F555W"]
_HC_OVER_K_A = 1.4388e8  # second radiation constant in angstrom kelvin

# Strong lines of ionised gas, angstrom in air; doublets are given at their common centre.
OII, HBETA, OIII, HALPHA, NII, SII, SIII = 3727.0, 4861.3, 5006.8, 6562.8, 6583.4, 6724.0, 9069.0


@dataclass(frozen=True)
class Spectrum:
    """A blackbody continuum (`continuum_k`, None for none) and emission lines (wavelength, rate)."""

    continuum_k: float | None = None
    lines: tuple[tuple[float, float], ...] = ()


def blackbody_rate(temperature_k: FloatArray | float, band: Filter) -> FloatArray:
    """Count rate of blackbodies in a band, relative to their rate in F555W.

    Photons are counted, so the Planck energy spectrum is weighted by the wavelength; the pass band is taken
    as narrow (Planck 1901; pass bands of instruments.py).
    """
    temperature = np.asarray(temperature_k, dtype=np.float64)

    def photons(wavelength_a: float) -> np.ndarray:
        return 1.0 / (wavelength_a**4 * np.expm1(_HC_OVER_K_A / (wavelength_a * temperature)))

    ratio = photons(band.wavelength_a) / photons(_V.wavelength_a) * band.width_a / _V.width_a
    return (ratio * _efficiency(band.wavelength_a)).astype(np.float32)


@lru_cache(maxsize=4096)
def response(spectrum: Spectrum, band: Filter) -> float:
    """Count rate of a layer of that spectrum in a band, per unit of the layer's picture."""
    rate = 0.0 if spectrum.continuum_k is None else float(blackbody_rate(spectrum.continuum_k, band))
    return rate + _efficiency(band.wavelength_a) * sum(
        strength * band.transmission(wavelength) for wavelength, strength in spectrum.lines
    )


def reddening(band: Filter) -> float:
    """Optical depth of dust in a band relative to V: a power law of index -1.3 (Charlot & Fall 2000 use -0.7
    for whole galaxies; screens in the Milky Way are steeper, near -1.3 to -1.6)."""
    return float((band.wavelength_a / 5500.0) ** -1.3)


def _efficiency(wavelength_a: float) -> float:
    """Throughput of telescope and CCD relative to its peak; falls towards the ultraviolet and past 0.9 micron."""
    return float(np.interp(wavelength_a, [3000, 4300, 5500, 7000, 8500, 9500], [0.4, 0.85, 1.0, 1.0, 0.85, 0.5]))
