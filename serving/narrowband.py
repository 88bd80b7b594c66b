"""Which narrow-band filters a FITS picture was taken through, by the filter keywords of its headers."""

import re
import warnings
import zlib
from pathlib import Path

from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from manifests.media import sniff

# FILTER, FILTER1 and FILTER2 of ACS, FILTNAM1 and FILTNAM2 of WFPC2, FILTERS
_KEYWORD = re.compile(r"FILT(ER|NAM)S?\d?")
# HST's narrow bands, such as F656N, its quads FQ508N, FQUVN33 and FQCH4N15, its ramps FR656N and STIS's F28X50OIII,
# then lines by name: H-alpha, Ha 6nm, [O III], SII
_NARROW = re.compile(
    r"(?<![A-Z0-9])(?:"
    r"F[QR]?\d{3,4}N(?![A-Z0-9])|FQ(?:UV|CH4)N\d*|F28X50OI{2,3}"
    r"|(?:H[ _-]?(?:ALPHA|BETA)|HA|\[?(?:HE|N|O|S)[ _-]?I{2,3}\]?)(?![A-Z])"
    r")"
)
# wide, medium, extremely wide and long-pass
_BROAD = re.compile(r"(?<![A-Z0-9])F\d{3,4}(?:W|M|X|LP)(?![A-Z0-9])")


def narrow_filters(path: Path) -> tuple[str, ...]:
    """The names of the narrow bands that a picture was taken through, as its file has them; none of other pictures.

    A picture that was also made of a broad band of HST's, such as F814W, is none of narrow bands. What is no filter's
    name, such as CLEAR1L in one of two wheels, says nothing.
    """
    with path.open("rb") as handle:
        if sniff(handle.read(16)) not in ("image/fits", "application/gzip"):
            return ()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            with fits.open(path, memmap=False) as units:
                headers = [unit.header for unit in units]
        texts = [str(header[key]).upper() for header in headers for key in header if _KEYWORD.fullmatch(key)]
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        EOFError,
        AttributeError,
        IndexError,
        fits.VerifyError,
        zlib.error,
    ):
        # whoever reads the picture itself says what is wrong with it
        return ()
    if any(_BROAD.search(text) for text in texts):
        return ()
    return tuple(dict.fromkeys(found for text in texts for found in _NARROW.findall(text)))
