"""Turbulent textures: Gaussian random fields, their bending and their ridges.

Interstellar clouds have power-law spectra; a field of that spectrum, exponentiated, looks like gas.
"""

import cv2
import numpy as np
import scipy.fft

from scrapers.replica.arrays import FloatArray


def turbulence(rng: np.random.Generator, size: int, slope: float = 3.0, largest: float = 0.5) -> FloatArray:
    """A Gaussian random field of shape (size, size), mean 0, deviation 1, power spectrum k**-slope.

    `largest` is the outer scale as a share of `size`: structure above it is damped.
    """
    frequency = np.hypot(scipy.fft.fftfreq(size)[:, None], scipy.fft.rfftfreq(size)[None, :]).astype(np.float32)
    outer = 1.0 / (largest * size)
    amplitude = (frequency**2 + outer**2) ** (-slope / 4)
    amplitude[0, 0] = 0
    noise = rng.standard_normal((2, *frequency.shape), dtype=np.float32)
    field = scipy.fft.irfft2(amplitude * (noise[0] + 1j * noise[1]), s=(size, size)).astype(np.float32)
    return field / field.std()


def bend(field: FloatArray, dx: FloatArray, dy: FloatArray) -> FloatArray:
    """Read `field` at positions shifted by (dx, dy) px; gives turbulence its swirls and hooks."""
    rows, columns = np.indices(field.shape, dtype=np.float32)
    bent = cv2.remap(field, columns + dx, rows + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(bent, np.float32)


def ridges(field: FloatArray, sharpness: float) -> FloatArray:
    """Filaments where `field` changes sign, 0 to 1; larger `sharpness` gives thinner ones."""
    return np.exp(-sharpness * np.abs(field)).astype(np.float32)


def smooth(field: FloatArray, sigma_px: float) -> FloatArray:
    """Gaussian blur."""
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma_px), np.float32)
