"""Names of Hubble's processed pictures: what HLA's datasets and HAP's products say of visit, camera and filters.

HLA writes `hst_10188_10_acs_wfc_f814w`, its older releases `HST_9490_01_ACS_WFC_F435W`; one exposure has a number at
its end (`_05`), a colour picture several filters, WFPC2 its chips (`_wf`, `_pc`). HAP, the Hubble Advanced Products
of single visits, ends in the first six letters of the exposures' names: `hst_9443_01_acs_wfc_total_j6ll01`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_FILTER = r"(?:f[a-z]?\d{3,4}|g\d{3,4}|pr\d{3}|pol|clear)[a-z0-9.-]*"
_NAME = re.compile(
    r"hst_(?P<proposal>[0-9]{1,5})_(?P<visit>[a-z0-9]{2})"
    r"_(?P<camera>acs_(?:wfc|hrc|sbc)|wfc3_(?:uvis|ir)|nic(?:mos)?_nic[123]|wfpc2(?:_(?:pc|wfc?))?)"
    rf"_(?P<elements>total|{_FILTER}(?:_{_FILTER})*)"
    r"(?:_(?P<chip>wf|pc))?"
    r"(?:_(?P<exposure>[0-9]{2})|_(?P<ipppss>[a-z][a-z0-9]{5}))?",
    re.IGNORECASE | re.ASCII,
)
DETECTION = "total"


@dataclass(frozen=True)
class HstName:
    """A name taken apart. `elements` are upper-case filters as the name orders them, none for white light.

    `group` is the name without its filters: what was processed together. One visit may have several, HLA's older
    and newer release and HAP's, which must not be mixed.
    """

    release_id: str
    group: str
    elements: tuple[str, ...]
    is_exposure: bool
    is_hap: bool


def parse_name(name: str) -> HstName | None:
    """What a dataset's or product's name says; None for names of any other form, mosaics of many visits among them."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    parts = {key: (value or "").lower() for key, value in found.groupdict().items()}
    release_id = visit_id(int(parts["proposal"]), parts["visit"], parts["camera"])
    elements = () if parts["elements"] == DETECTION else tuple(parts["elements"].upper().split("_"))
    start, end = found.span("elements")
    return HstName(
        release_id,
        f"{name[:start]}*{name[end:]}",
        elements,
        bool(parts["exposure"]),
        bool(parts["ipppss"]),
    )


def visit_id(proposal: int, visit: str, detector: str) -> str:
    """The release that a visit's pictures belong to: `hst_09490_01_acs_wfc`.

    The detector may be written as HLA's column has it (`ACS/WFC`, `NIC3`), as MAST's (`NICMOS/NIC3`, `WFPC2/PC`) or
    as names do (`nic_nic3`); WFPC2's chips lie side by side in every visit and are one release.
    """
    camera, _, part = re.sub(r"[/ -]", "_", detector.strip().lower()).partition("_")
    if camera == "wfpc2":
        part = ""
    elif camera in ("nic", "nicmos") and part:
        camera, part = part, ""
    return "_".join(filter(None, ("hst", f"{proposal:05d}", visit.lower(), camera, part)))


def colour_name(bands: Sequence[str]) -> str:
    """The name HLA gives the colour picture of single-filter datasets, the red one first."""
    found = [_NAME.fullmatch(name) for name in bands]
    first = found[0]
    if first is None or None in found:
        raise ValueError(f"{', '.join(bands)} are not datasets of one filter each.")
    start, end = first.span("elements")
    return bands[0][:start] + "_".join(one["elements"] for one in found if one) + bands[0][end:]


def band_names(name: str) -> tuple[str, ...]:
    """The datasets behind HLA's colour picture, the red one first; none where the name is of another form."""
    found = _NAME.fullmatch(name)
    if found is None:
        return ()
    start, end = found.span("elements")
    return tuple(name[:start] + element + name[end:] for element in found["elements"].split("_"))
