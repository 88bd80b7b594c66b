"""Pictures and tables of counts as files: JPEG and PNG for the eye, FITS with a world coordinate system."""

import io

import numpy as np
from astropy.io import fits
from PIL import Image

from scrapers.replica.arrays import ByteArray, FloatArray
from scrapers.replica.catalogue import Dataset, Plane
from scrapers.replica.geometry import Grid

_MADE_BY = "Created by the Deepfield replica, after fitscut"


def encode(shown: ByteArray, format: str, grid: Grid) -> bytes:
    """JPEG of quality 75 with the WCS as a comment, or PNG."""
    buffer = io.BytesIO()
    picture = Image.fromarray(shown)
    if format == "PNG":
        picture.save(buffer, "PNG")
    else:
        cards = _wcs(grid)
        lines = [f"{key}={cards[key]!r}" for key in cards] + [f"COMMENT {_MADE_BY}"]
        picture.save(buffer, "JPEG", quality=75, comment="\n".join(lines).encode())
    return buffer.getvalue()


def _wcs(grid: Grid) -> fits.Header:
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    header["CUNIT1"], header["CUNIT2"] = "deg", "deg"
    header["CRPIX1"], header["CRPIX2"] = grid.crpix
    header["CRVAL1"], header["CRVAL2"] = grid.ra, grid.dec
    header["CD1_1"], header["CD1_2"] = -grid.scale_deg, 0.0
    header["CD2_1"], header["CD2_2"] = 0.0, grid.scale_deg
    # the default is 0 instead of 180 where the centre is the pole itself (Calabretta & Greisen 2002, 2.8)
    header["LONPOLE"] = 180.0
    header["RADESYS"] = "ICRS"
    return header


def fits_picture(pictures: dict[str, FloatArray], grid: Grid) -> bytes:
    """One primary HDU of unscaled counts; colour as planes red, green, blue."""
    header = _wcs(grid)
    data = next(iter(pictures.values()))
    if len(pictures) > 1:
        planes = [pictures.get(band, np.full_like(data, np.nan)) for band in ("red", "green", "blue")]
        if "green" not in pictures:
            planes[1] = (planes[0] + planes[2]) * np.float32(0.5)
        data = np.stack(planes)
        header["CTYPE3"] = "RGB"
    header["HISTORY"] = _MADE_BY
    return _to_bytes(fits.HDUList([fits.PrimaryHDU(data.astype(">f4"), header)]))


def fits_file(dataset: Dataset, plane: Plane) -> bytes:
    """A drizzled product: primary without data, SCI in electrons/s with NaN off the chips, WHT in seconds, CTX.

    CTX has a bit for each exposure that a px came of. WFPC2's files end with DQ, 1 off the chips.
    """
    primary = fits.PrimaryHDU()
    facts = (
        ("TELESCOP", "HST", "as imitated; this file is synthetic"),
        ("INSTRUME", dataset.instrument, "instrument"),
        ("DETECTOR", dataset.detector, "detector"),
        ("FILTER", "/".join(dataset.elements), "filter"),
        ("TARGNAME", dataset.target, "target"),
        ("PROPOSID", dataset.propid, "proposal"),
        ("EXPTIME", dataset.exptime_s, "exposure time in seconds"),
        ("DATE-OBS", None if dataset.start is None else f"{dataset.start:%Y-%m-%d}", "start of the first exposure"),
        ("ORIGIN", "Deepfield replica", "no telescope took this"),
    )
    for key, value, comment in facts:
        if value is not None:
            primary.header[key] = (value, comment)
    header = _wcs(plane.grid)
    header["BUNIT"] = "ELECTRONS/S"
    seen = np.isfinite(plane.pixels)
    context = np.where(seen, 2 ** min(dataset.exposures or 1, 31) - 1, 0).astype(np.int32)
    planes = {
        "WHT": np.where(seen, plane.exptime_s, 0).astype(np.float32),
        "CTX": context,
        "DQ": (~seen).astype(np.int16),
    }
    if dataset.instrument != "WFPC2":
        del planes["DQ"]
    primary.header["NEXTEND"] = (1 + len(planes), "number of extensions")
    parts = [primary, fits.ImageHDU(plane.pixels, header, name="SCI")]
    parts += [fits.ImageHDU(values, _wcs(plane.grid), name=name) for name, values in planes.items()]
    return _to_bytes(fits.HDUList(parts))


def _to_bytes(hdus: fits.HDUList) -> bytes:
    buffer = io.BytesIO()
    hdus.writeto(buffer)
    return buffer.getvalue()
