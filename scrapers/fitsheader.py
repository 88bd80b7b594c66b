"""What the header of a FITS image says about it, as ObsCore columns."""

import gzip
import io
import warnings
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from scrapers.passbands import wavelengths_m

_NO_FILTER = frozenset({"CLEAR", "CLEAR1L", "CLEAR2L", "CLEAR1S", "CLEAR2S", "N/A", "NONE"})
# a WCS that needs tables of other extensions fails an assertion
_DAMAGE = (OSError, ValueError, TypeError, KeyError, AttributeError, AssertionError, fits.VerifyError)


def read_header(data: bytes) -> dict[str, Any]:
    """ObsCore columns of the science image (extension SCI, else the first image) in FITS bytes, gzipped or not.

    Only what the header says is there; a header that cannot be read says nothing. The bytes were decoded before:
    what they unpack to is known to be of a bearable size.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            plain = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
            with fits.open(io.BytesIO(plain), memmap=False) as hdus:
                images = [hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS", 0) >= 2]
                chosen = next((hdu for hdu in images if hdu.name == "SCI"), images[0] if images else hdus[0])
                return _columns(chosen.header, hdus[0].header) | _where(chosen.header, hdus[0].header)
    except _DAMAGE:
        return {}


def _columns(header: fits.Header, primary: fits.Header) -> dict[str, Any]:
    def text(*keys: str) -> str | None:
        for key in keys:
            value = header.get(key, primary.get(key))
            if isinstance(value, str) and value.strip():
                return value.strip()
        return None

    def number(*keys: str) -> float | None:
        values = (header.get(key, primary.get(key)) for key in keys)
        return next((float(v) for v in values if isinstance(v, int | float) and np.isfinite(v) and v > 0), None)

    camera, detector = text("INSTRUME"), text("DETECTOR")
    instrument = f"{camera}/{detector}" if camera and detector and detector != camera else camera
    wheels = [text(key) for key in ("FILTER", "FILTER1", "FILTER2", "FILTNAM1", "FILTNAM2")]
    filters = (
        "/".join(dict.fromkeys(name.upper() for name in wheels if name and name.upper() not in _NO_FILTER)) or None
    )
    shortest, longest = wavelengths_m(instrument, filters)
    found = {
        "obs_id": text("ROOTNAME"),
        "target_name": text("TARGNAME", "OBJECT"),
        "facility_name": text("TELESCOP"),
        "instrument_name": instrument,
        "filters": filters,
        "obs_creator_name": text("PR_INV_L", "OBSERVER"),
        "t_exptime": number("EXPTIME", "TEXPTIME"),
        "t_min": number("EXPSTART"),
        "t_max": number("EXPEND"),
        "em_min": shortest,
        "em_max": longest,
    }
    return {name: value for name, value in found.items() if value is not None}


def _where(header: fits.Header, primary: fits.Header) -> dict[str, Any]:
    """Centre, footprint and scale by the image's WCS; where it has none, the target's position."""
    wcs = celestial(header)
    found = place(wcs, header["NAXIS1"], header["NAXIS2"]) if wcs is not None else {}
    if found:
        return found
    ra, dec = (header.get(key, primary.get(key)) for key in ("RA_TARG", "DEC_TARG"))
    if isinstance(ra, float) and isinstance(dec, float) and -90 <= dec <= 90:
        return {"s_ra": ra % 360.0, "s_dec": dec}
    return {}


def celestial(header: fits.Header) -> WCS | None:
    """The equatorial coordinates of an image, ICRS or near enough; None where its header does not give them."""
    try:
        wcs = WCS(header).celestial
        # FK5 of J2000 is ICRS to some hundredths of an arcsecond; other frames would have to be turned
        equatorial = wcs.has_celestial and wcs.wcs.lngtyp == "RA" and wcs.wcs.radesys in ("", "ICRS", "FK5")
        if not equatorial or (wcs.wcs.equinox not in (2000.0, 0.0) and np.isfinite(wcs.wcs.equinox)):
            return None
    except _DAMAGE:
        return None
    return wcs


def place(wcs: WCS, width: int, height: int) -> dict[str, Any]:
    """Centre, footprint and scale of an image of that size, as ObsCore columns; none where they make no sense."""
    try:
        corners = wcs.calc_footprint(axes=(width, height), center=False)
        ra, dec = wcs.all_pix2world([[(width - 1) / 2, (height - 1) / 2]], 0)[0]
        scale = float(np.mean(proj_plane_pixel_scales(wcs)))
    except _DAMAGE:
        return {}
    if not (np.isfinite(corners).all() and np.isfinite([ra, dec]).all() and 0 < scale < 1):
        return {}
    points = " ".join(f"{r % 360.0:.7f} {d:.7f}" for r, d in corners)
    return {
        "s_ra": float(ra) % 360.0,
        "s_dec": float(dec),
        "s_region": f"POLYGON ICRS {points}",
        "s_fov": max(width, height) * scale,
        "s_resolution": scale * 3600.0,
    }
