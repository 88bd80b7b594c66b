"""Narrow bands are known by how headers spell them."""

import gzip

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from serving.narrowband import narrow_filters


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ({"FILTER": "F656N"}, ("F656N",)),
        ({"FILTER": "F656N;F502N"}, ("F656N", "F502N")),
        ({"FILTER": "f658n + f502n"}, ("F658N", "F502N")),
        ({"FILTERS": "F656N/F673N"}, ("F656N", "F673N")),
        ({"FILTER1": "CLEAR1L", "FILTER2": "F658N"}, ("F658N",)),
        ({"FILTER1": "F658N", "FILTER2": "POL0V"}, ("F658N",)),
        ({"FILTNAM1": "FQUVN33", "FILTNAM2": ""}, ("FQUVN33",)),
        ({"FILTER": "FQ508N"}, ("FQ508N",)),
        ({"FILTER": "FR656N"}, ("FR656N",)),
        ({"FILTER": "F28X50OIII"}, ("F28X50OIII",)),
        ({"FILTER": "H-alpha"}, ("H-ALPHA",)),
        ({"FILTER": "Halpha656"}, ("HALPHA",)),
        ({"FILTER": "Ha 6nm"}, ("HA",)),
        ({"FILTER": "[O III] 5007"}, ("[O III]",)),
        ({"FILTER": "SII,NII"}, ("SII", "NII")),
        ({"FILTER": "F606W"}, ()),
        ({"FILTER": "F656N;F814W"}, ()),
        ({"FILTER1": "CLEAR1L", "FILTER2": "F850LP"}, ()),
        ({"FILTER": "CLEAR"}, ()),
        ({"FILTER": "V"}, ()),
        ({"FILTER": "HARRIS R"}, ()),
        ({"FILTER": 3}, ()),
        ({"OBJECT": "F656N"}, ()),
        ({}, ()),
    ],
)
def test_the_spellings_of_headers(tmp_path, header, names):
    counts = np.ones((4, 4), np.float32)
    path = tmp_path / "plate"
    fits.PrimaryHDU(counts, fits.Header(header)).writeto(path)
    assert narrow_filters(path) == names
    # in an extension of a packed file as well
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(counts, fits.Header(header), name="SCI")]).writeto(tmp_path / "two")
    (tmp_path / "two.z").write_bytes(gzip.compress((tmp_path / "two").read_bytes()))
    assert narrow_filters(tmp_path / "two.z") == names


def test_what_is_no_fits_file_or_a_damaged_one_has_none(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "plate.png")
    assert narrow_filters(tmp_path / "plate.png") == ()
    fits.PrimaryHDU(np.ones((90, 90)), fits.Header({"FILTER": "F656N"})).writeto(tmp_path / "plate.fits")
    whole = (tmp_path / "plate.fits").read_bytes()
    for cut, made in enumerate(
        (whole[:100], b"", gzip.compress(whole)[:200], gzip.compress(b"hello"), b"SIMPLE  =" * 9)
    ):
        (tmp_path / str(cut)).write_bytes(made)
        assert narrow_filters(tmp_path / str(cut)) == ()
