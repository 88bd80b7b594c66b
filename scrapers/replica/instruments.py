"""The cameras and filters of the synthetic sky: pass bands, chip layouts, noise figures.

Wavelengths of the filters are those HLA states in its `Wavelength` column where a recorded reply shows them,
otherwise pivot wavelengths rounded to an angstrom. Noise figures are rounded from the instrument handbooks.
"""

from dataclasses import dataclass
from math import exp, log

Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True)
class Filter:
    """A pass band: name, characteristic wavelength and full width at half maximum in angstrom."""

    name: str
    wavelength_a: float
    width_a: float

    def transmission(self, wavelength_a: float) -> float:
        """Share of the light passed at a wavelength, 0 to 1; flat-topped with steep sides."""
        return exp(-log(2) * (2 * (wavelength_a - self.wavelength_a) / self.width_a) ** 8)


@dataclass(frozen=True)
class Detector:
    """A camera: how it is named, where its chips lie, and how it counts.

    `chips` are rectangles (x0, y0, x1, y1) of the unit square centred on the field, in the detector's own
    axes. `scale_deg` is the pixel of the drizzled north-up grid.
    """

    name: str
    code: str
    instrument: str
    aperture: str
    suffix: str
    mode: str
    source: str
    scale_deg: float
    read_noise_e: float
    full_well_e: float
    chips: tuple[Rectangle, ...]


def _filters(*rows: tuple[str, float, float]) -> dict[str, Filter]:
    return {name: Filter(name, wavelength, width) for name, wavelength, width in rows}


FILTERS = _filters(
    ("F336W", 3344.0, 510.0),
    ("F435W", 4317.4, 940.0),
    ("F438W", 4325.0, 620.0),
    ("F439W", 4312.0, 470.0),
    ("F450W", 4557.0, 960.0),
    ("F475W", 4760.0, 1440.0),
    ("F502N", 5009.6, 65.0),
    ("F555W", 5359.55, 1230.0),
    ("F606W", 5921.0, 2250.0),
    ("F625W", 6306.0, 1420.0),
    ("F656N", 6561.4, 40.0),
    ("F658N", 6584.01, 80.0),
    ("F673N", 6731.0, 80.0),
    ("F675W", 6717.0, 870.0),
    ("F775W", 7693.0, 1530.0),
    ("F814W", 8059.76, 2510.0),
    ("F850LP", 9055.0, 1270.0),
)

_PAIR_OF_CHIPS: tuple[Rectangle, ...] = ((-0.5, -0.5, 0.5, -0.006), (-0.5, 0.006, 0.5, 0.5))
# Three wide-field chips and, in the fourth quadrant, the planetary camera at half their scale: the "staircase".
_STAIRCASE: tuple[Rectangle, ...] = (
    (-0.5, -0.5, -0.004, -0.004),
    (0.004, -0.5, 0.5, -0.004),
    (-0.5, 0.004, -0.004, 0.5),
    (0.004, 0.004, 0.232, 0.232),
)

DETECTORS = {
    detector.name: detector
    for detector in (
        Detector("ACS/WFC", "acs_wfc", "ACS", "WFC", "", "ACCUM", "HLA", 1.38889e-05, 5.0, 84_000, _PAIR_OF_CHIPS),
        Detector(
            "WFC3/UVIS",
            "wfc3_uvis",
            "WFC3",
            "UVIS-CENTER",
            "",
            "ACCUM",
            "HLA",
            1.10052e-05,
            3.1,
            72_000,
            _PAIR_OF_CHIPS,
        ),
        Detector("WFPC2", "wfpc2", "WFPC2", "WFALL-FIX", "_wf", "IMAGE", "CADC", 2.77778e-05, 5.5, 53_000, _STAIRCASE),
    )
}
