"""Names of Hubble's pictures, taken apart and put together again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapers.hla import products
from scrapers.hstnames import band_names, colour_name, parse_name, visit_id

CAMERAS = {
    "acs_wfc": "acs_wfc",
    "acs_hrc": "acs_hrc",
    "wfc3_uvis": "wfc3_uvis",
    "wfc3_ir": "wfc3_ir",
    "nic_nic3": "nic3",
    "nicmos_nic2": "nic2",
    "wfpc2": "wfpc2",
    "wfpc2_pc": "wfpc2",
}
FILTERS = ("f814w", "f555w", "f435w", "f850lp", "f656n", "fr914m", "fq436n", "f110w", "f606w-pol0v", "g800l")
proposals = st.integers(1, 99_999)
visits = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=2, max_size=2)
letters = st.from_regex(r"[iju][a-z0-9]{5}", fullmatch=True)


@given(proposals, st.booleans(), visits, st.sampled_from(sorted(CAMERAS)), st.sampled_from(FILTERS), st.booleans())
def test_hla_and_hap_agree_on_the_visit(
    proposal: int, padded: bool, visit: str, camera: str, element: str, upper: bool
) -> None:
    number = f"{proposal:05d}" if padded else str(proposal)
    hla = f"hst_{number}_{visit}_{camera}_{element}"
    hap = f"hst_{proposal}_{visit}_{camera}_total_j6ll01"
    one, other = parse_name(hla.upper() if upper else hla), parse_name(hap)
    assert one is not None and other is not None
    assert one.release_id == other.release_id == f"hst_{proposal:05d}_{visit}_{CAMERAS[camera]}"
    assert (one.elements, other.elements) == ((element.upper(),), ())
    assert (one.is_hap, other.is_hap) == (False, True)


@given(proposals, visits, letters, st.permutations(FILTERS[:3]), st.sampled_from(["", "_wf", "_pc"]))
def test_colour_names_are_made_of_bands_and_give_them_back(
    proposal: int, visit: str, ipppss: str, filters: list[str], chip: str
) -> None:
    camera = "wfpc2" if chip else "acs_wfc"
    bands = [f"HST_{proposal}_{visit}_{camera}_{name.upper()}{chip}" for name in filters]
    name = colour_name(bands)
    assert name == f"HST_{proposal}_{visit}_{camera}_{'_'.join(filters).upper()}{chip}"
    assert list(band_names(name)) == bands
    whole, hap = parse_name(name), parse_name(f"hst_{proposal}_{visit}_{camera}{chip}_total_{ipppss}")
    assert whole is not None and hap is not None
    assert whole.elements == tuple(one.upper() for one in filters)
    # the same visit, but registered apart: HAP is a later processing
    assert whole.release_id == hap.release_id and whole.group != hap.group


@pytest.mark.parametrize(
    ("name", "release_id", "elements", "is_exposure"),
    [
        ("hst_08591_27_wfpc2_f656n_f547m_wf", "hst_08591_27_wfpc2", ("F656N", "F547M"), False),
        ("hst_08591_27_wfpc2_total_pc", "hst_08591_27_wfpc2", (), False),
        ("HST_11080_a6_NIC_NIC3_total", "hst_11080_a6_nic3", (), False),
        ("hst_10268_05_acs_wfc_f606w_09", "hst_10268_05_acs_wfc", ("F606W",), True),
        ("hst_10003_01_wfpc2_pc_f606w_u8vg01", "hst_10003_01_wfpc2", ("F606W",), False),
    ],
)
def test_names_as_the_archives_write_them(
    name: str, release_id: str, elements: tuple[str, ...], is_exposure: bool
) -> None:
    found = parse_name(name)
    assert found is not None
    assert (found.release_id, found.elements, found.is_exposure) == (release_id, elements, is_exposure)


@pytest.mark.parametrize(
    "name", ["", "j9dm03010", "hst_mos_5136_ACS_WFC_F475W", "hst_skycell-p2381x06y09_wfc3_uvis_total_all"]
)
def test_other_names_are_none(name: str) -> None:
    assert parse_name(name) is None and band_names(name) == ()


@given(st.text())
def test_any_text_is_a_name_or_none(text: str) -> None:
    found = parse_name(text)
    assert found is None or found.release_id.startswith("hst_")


@pytest.mark.parametrize(
    ("detector", "end"),
    [
        ("ACS/WFC", "acs_wfc"),
        ("WFPC2", "wfpc2"),
        ("WFPC2/PC", "wfpc2"),
        ("WFPC2-PC", "wfpc2"),
        ("NIC3", "nic3"),
        ("NICMOS/NIC3", "nic3"),
        ("STIS", "stis"),
    ],
)
def test_detectors_by_column_give_the_release_that_names_give(detector: str, end: str) -> None:
    assert visit_id(9490, "A1", detector) == f"hst_09490_a1_{end}"
    rows = [{"dataset": "x", "propid": 9490, "visitnum": "A1", "detector": detector, "filename": "x", "level": 2}]
    assert [one.release_id for one in products(rows, "http://127.0.0.1:1", {2})] == [f"hst_09490_a1_{end}"]
