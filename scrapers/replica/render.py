"""The telescope: blurs a scene as Hubble does, counts electrons on rotated chips, adds noise and cosmic rays."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import scipy.fft

from scrapers.replica import galaxies, nebulae, stars
from scrapers.replica.arrays import FloatArray
from scrapers.replica.catalogue import Plane
from scrapers.replica.geometry import Grid
from scrapers.replica.instruments import Filter
from scrapers.replica.scene import Scene, radiance
from scrapers.replica.visits import Reprocessing, Visit

_SKY = 0.03  # e-/s per px in F555W; scales with the width of the band

RECIPES: dict[str, Callable[[np.random.Generator, int], Scene]] = {
    "spiral": galaxies.spiral,
    "edge_on": galaxies.edge_on,
    "elliptical": galaxies.elliptical,
    "galaxy_cluster": galaxies.galaxy_cluster,
    "deep_field": galaxies.deep_field,
    "emission_nebula": nebulae.emission_nebula,
    "reflection_nebula": nebulae.reflection_nebula,
    "planetary_nebula": nebulae.planetary_nebula,
    "supernova_remnant": nebulae.supernova_remnant,
    "globular_cluster": stars.globular_cluster,
    "open_cluster": stars.open_cluster,
    "star_field": stars.star_field,
    "blank": lambda rng, size: Scene(size),
    "few_stars": stars.few_stars,
    "bright_stars": stars.bright_stars,
}


def build_scene(visit: Visit) -> Scene:
    """The sky a visit looked at; the same for all visits of one field."""
    return RECIPES[visit.scene](np.random.default_rng(visit.scene_seed), visit.plate_px)


def expose(visit: Visit, scene: Scene, band: Filter) -> Plane:
    """Pixels of one filter of a visit: e-/s with sky subtracted, NaN off the chips.

    A visit that is a reprocessing starts from the pixels of the release it repeats, so that both share their
    noise, as real releases do.
    """
    if visit.reprocessing is not None:
        return _reprocess(visit.reprocessing, visit.grid, scene, band)
    rng = np.random.default_rng([visit.scene_seed, visit.propid, int(visit.number, 36), int(band.wavelength_a)])
    light = radiance(scene, band) * visit.brightness
    blurred = scipy.fft.irfft2(
        scipy.fft.rfft2(light) * scipy.fft.rfft2(scipy.fft.ifftshift(point_spread(visit, band))), s=light.shape
    )
    rate = np.maximum(_crop(blurred, visit), 0)
    chips = chip_mask(visit, rng.uniform(-1.5, 1.5, 2), band.name)
    time, count = visit.exptime_s, visit.exposures
    sky = _SKY * band.width_a / 1230
    if visit.kind == "saturated":
        # exposed so long that an eighth of the chips is beyond the full well
        rate *= visit.camera.full_well_e * count / time / np.percentile(rate[chips], 88)
    electrons = rng.poisson((rate + sky) * time).astype(np.float32)
    electrons += visit.camera.read_noise_e * np.sqrt(count) * rng.standard_normal(rate.shape, dtype=np.float32)
    electrons += _cosmic_rays(rng, visit, chips)
    if visit.kind == "saturated":
        _bleed(electrons, visit)
    np.minimum(electrons, visit.camera.full_well_e * count, out=electrons)
    pixels = np.where(chips, (electrons - sky * time) / time, np.nan).astype(np.float32)
    return Plane(pixels, visit.grid, time)


def point_spread(visit: Visit, band: Filter) -> FloatArray:
    """Point-spread function of sum 1, shape (plate_px, plate_px), centred at plate_px // 2.

    A Moffat core of the diffraction width, a faint halo, and the four spikes of the secondary's spider, at 45
    degrees to the chips and turned with the telescope.
    """
    size = visit.plate_px
    rows, columns = np.indices((size, size), dtype=np.float32) - size // 2
    radius = np.hypot(rows, columns)
    scale_arcsec = visit.camera.scale_deg * 3600
    width = np.hypot(0.075 * band.wavelength_a / 5500 / scale_arcsec, 0.8)
    core = (1 + (radius / (0.9 * width)) ** 2) ** -2.6
    halo = 0.004 * (1 + (radius / (3.5 * width)) ** 2) ** -1.6
    turn = np.radians(visit.roll_deg + 45)
    along = columns * np.cos(turn) + rows * np.sin(turn)
    across = -columns * np.sin(turn) + rows * np.cos(turn)
    spikes = sum(
        np.exp(-((side / 0.75) ** 2)) * (1 + (axis / (2.2 * width)) ** 2) ** -1.0
        for axis, side in ((along, across), (across, along))
    )
    spread = core + halo + 0.012 * spikes
    return (spread / spread.sum()).astype(np.float32)


def chip_mask(visit: Visit, dither_px: np.ndarray, element: str = "") -> np.ndarray:
    """Which px of the grid a chip covered in a filter, or in the visit as a whole, bool (ny, nx)."""
    rows, columns = np.indices((visit.grid.ny, visit.grid.nx), dtype=np.float32)
    dx = columns - (visit.grid.crpix[0] - 0.5) - dither_px[0]
    dy = rows - (visit.grid.crpix[1] - 0.5) - dither_px[1]
    turn = np.radians(visit.roll_deg)
    u = (dx * np.cos(turn) + dy * np.sin(turn)) / visit.side_px
    v = (-dx * np.sin(turn) + dy * np.cos(turn)) / visit.side_px
    mask = np.zeros(rows.shape, bool)
    for x0, y0, x1, y1 in visit.covered(element):
        mask |= (u >= x0) & (u < x1) & (v >= y0) & (v < y1)
    return mask


def _crop(plate: FloatArray, visit: Visit) -> FloatArray:
    left = (visit.plate_px - visit.grid.nx) // 2 + visit.offset_px[0]
    bottom = (visit.plate_px - visit.grid.ny) // 2 + visit.offset_px[1]
    return plate[bottom : bottom + visit.grid.ny, left : left + visit.grid.nx]


def _cosmic_rays(rng: np.random.Generator, visit: Visit, chips: np.ndarray) -> FloatArray:
    """Electrons left by cosmic rays: tracks of one to nine px.

    One exposure keeps all of them; several leave those at the rim of the chips, where only one exposure looked.
    """
    height, width = chips.shape
    hits = np.zeros((height, width), np.float32)
    rim = chips & ~cv2.erode(chips.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    where = chips if visit.exposures == 1 else rim
    rows, columns = np.nonzero(where)
    count = int(rows.size * min(visit.exptime_s, 1500) * (6e-6 if visit.exposures == 1 else 1e-5))
    if not count:
        return hits
    chosen = rng.integers(0, rows.size, count)
    length = np.minimum(rng.geometric(0.4, count), 9)
    angle = rng.random(count) * np.pi
    charge = rng.lognormal(np.log(2500), 0.9, count)
    for step in range(9):
        alive = length > step
        row = np.round(rows[chosen] + step * np.sin(angle)).astype(int)
        column = np.round(columns[chosen] + step * np.cos(angle)).astype(int)
        alive &= (row < height) & (column < width) & (column >= 0)
        hits[row[alive], column[alive]] += charge[alive] * rng.uniform(0.4, 1.0, int(alive.sum()))
    return hits


def _bleed(electrons: FloatArray, visit: Visit) -> None:
    """Charge beyond the full well runs along the chip's columns, up and down."""
    well = visit.camera.full_well_e * visit.exposures
    turn = np.radians(visit.roll_deg + 90)
    excess = np.clip(electrons / well - 1, 0, 60).astype(np.float32)
    length = 41
    kernel = np.zeros((length, length), np.uint8)
    half = length // 2
    dx, dy = half * np.cos(turn), half * np.sin(turn)
    cv2.line(kernel, (round(half - dx), round(half - dy)), (round(half + dx), round(half + dy)), 1)
    trails = cv2.filter2D(excess, -1, kernel.astype(np.float32) / length)
    electrons[trails > 0.6] = well


def _reprocess(again: Reprocessing, grid: Grid, scene: Scene, band: Filter) -> Plane:
    """Resample the pixels of the first release to the grid of the later one and recalibrate them."""
    first = expose(again.of, scene, band)
    if again.zoom == 1 and again.shift_px == 0:
        return replace(first, pixels=first.pixels * np.float32(again.gain))
    back = np.array(
        [
            [1 / again.zoom, 0, 0.5 / again.zoom - 0.5 + again.shift_px],
            [0, 1 / again.zoom, 0.5 / again.zoom - 0.5 + again.shift_px],
        ]
    )

    def resample(picture: FloatArray, method: int) -> FloatArray:
        moved = cv2.warpAffine(picture, back, (grid.nx, grid.ny), flags=method | cv2.WARP_INVERSE_MAP)
        return np.asarray(moved, np.float32)

    seen = np.isfinite(first.pixels)
    values = resample(np.nan_to_num(first.pixels), cv2.INTER_CUBIC)
    covered = resample(seen.astype(np.float32), cv2.INTER_LINEAR) > 0.99
    return Plane(np.where(covered, values * again.gain, np.nan).astype(np.float32), grid, first.exptime_s)
