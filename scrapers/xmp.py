"""What a picture of our own says of itself: Astronomy Visualization Metadata as an XMP packet, by pyavm.

Viewers of astronomical pictures place them on the sky by it, as they do those of the outreach sites (`scrapers.avm`).
"""

import warnings

from astropy.wcs import WCS
from pyavm import AVM
from pyavm.exceptions import AVMItemNotInControlledVocabularyError

from scrapers.passbands import wavelengths_m
from scrapers.products import Product

_COLOURS = {2: ("Red", "Blue"), 3: ("Red", "Green", "Blue")}


def packet(product: Product, wcs: WCS, shape: tuple[int, int]) -> str:
    """The packet of a colour picture of `shape` (rows, columns) made of a product's filters, red to blue."""
    avm = _placed(wcs, shape)
    names = (product.filters or "").split("/")
    avm.Title = product.obs_title or product.obs_id
    if product.credit:
        avm.Credit = product.credit
    if product.target_name:
        avm.Subject.Name = [product.target_name]
    avm.Type = "Observation"
    avm.Facility = [product.facility_name or "HST"] * len(names)
    avm.Instrument = [product.instrument_name or "-"] * len(names)
    avm.Spectral.Bandpass = names
    avm.Spectral.ColorAssignment = list(_COLOURS[len(names)])
    edges = [wavelengths_m(product.instrument_name, name) for name in names]
    centres = [(low + high) / 2 * 1e9 for low, high in edges if low is not None and high is not None]
    if len(centres) == len(names):
        avm.Spectral.CentralWavelength = [round(nm, 1) for nm in centres]
    text: bytes = avm.to_xml()
    return text.decode()


def _placed(wcs: WCS, shape: tuple[int, int]) -> AVM:
    """AVM of a picture at its place; without one where AVM has no word for its projection."""
    try:
        with warnings.catch_warnings():
            # pyavm says so where a frame of reference is taken to be ICRS, which those of a product are
            warnings.simplefilter("ignore", UserWarning)
            avm = AVM.from_wcs(wcs, shape=shape)
    except AVMItemNotInControlledVocabularyError:
        return AVM()
    avm.Spatial.Equinox = "J2000"
    return avm
