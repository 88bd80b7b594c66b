"""A patch of synthetic sky as the sky has it: glowing layers, dust before them, stars. No telescope yet."""

from dataclasses import dataclass, field

import numpy as np

from scrapers.replica.arrays import FloatArray
from scrapers.replica.instruments import Filter
from scrapers.replica.spectra import Spectrum, blackbody_rate, reddening, response


@dataclass(frozen=True)
class Layer:
    """Something extended: surface brightness in V (e-/s per px, shape (size, size)), spectrum, dust before it."""

    picture: FloatArray
    spectrum: Spectrum
    dust: FloatArray | None = None


@dataclass(frozen=True)
class Stars:
    """Point sources: positions in px of the patch, total V rate in e-/s, temperature in kelvin, dust before each."""

    x: FloatArray
    y: FloatArray
    flux: FloatArray
    temperature_k: FloatArray
    dust: FloatArray

    @classmethod
    def of(
        cls,
        x: np.ndarray,
        y: np.ndarray,
        flux: np.ndarray,
        temperature_k: np.ndarray | float,
        dust: FloatArray | None = None,
    ) -> "Stars":
        """Stars at those places; with a dust map (optical depth in V) each is dimmed by what lies at its place."""
        x, y = np.asarray(x, np.float32), np.asarray(y, np.float32)
        depth = np.zeros(x.shape, np.float32)
        if dust is not None and x.size:
            limit = dust.shape[0] - 1
            depth = dust[np.clip(y.round(), 0, limit).astype(int), np.clip(x.round(), 0, limit).astype(int)]
        temperature = np.broadcast_to(np.asarray(temperature_k, np.float32), x.shape)
        return cls(x, y, np.asarray(flux, np.float32), temperature, depth)


@dataclass(frozen=True)
class Scene:
    """All there is in a patch of `size` x `size` px: row 0 is south, column 0 is east."""

    size: int
    layers: tuple[Layer, ...] = ()
    stars: tuple[Stars, ...] = field(default=())

    def __add__(self, other: "Scene") -> "Scene":
        return Scene(self.size, self.layers + other.layers, self.stars + other.stars)


def radiance(scene: Scene, band: Filter) -> FloatArray:
    """The noiseless, unblurred picture in one band: e-/s per px, stars spread over their four nearest px."""
    total = np.zeros((scene.size, scene.size), dtype=np.float32)
    redden = reddening(band)
    for layer in scene.layers:
        rate = response(layer.spectrum, band)
        if rate <= 0:
            continue
        if layer.dust is None:
            total += rate * layer.picture
        else:
            total += rate * layer.picture * np.exp(-redden * layer.dust)
    for stars in scene.stars:
        flux = stars.flux * blackbody_rate(stars.temperature_k, band) * np.exp(-redden * stars.dust)
        _deposit(total, stars.x, stars.y, flux)
    return total


def _deposit(picture: FloatArray, x: FloatArray, y: FloatArray, flux: FloatArray) -> None:
    """Add points to a picture, each shared bilinearly by four px; points off the picture are left out."""
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    right, up = x - column, y - row
    height, width = picture.shape
    for dx, share_x in ((0, 1 - right), (1, right)):
        for dy, share_y in ((0, 1 - up), (1, up)):
            inside = (column + dx >= 0) & (column + dx < width) & (row + dy >= 0) & (row + dy < height)
            np.add.at(
                picture,
                (row[inside] + dy, column[inside] + dx),
                (flux * share_x * share_y)[inside].astype(np.float32),
            )
