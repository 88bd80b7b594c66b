"""Which wavelengths a Hubble filter lets through."""

# Central or pivot wavelength and width in angstroms, from the ACS and WFC3 instrument handbooks
# (tables 5.1 and 6.2, 7.2). Filters of other cameras are left out: their wavelengths stay null.
_ACS = {
    "F435W": (4297, 1038),
    "F475W": (4760, 1458),
    "F502N": (5022, 57),
    "F550M": (5580, 547),
    "F555W": (5346, 1193),
    "F606W": (5907, 2342),
    "F625W": (6318, 1442),
    "F658N": (6584, 78),
    "F660N": (6602, 40),
    "F775W": (7764, 1528),
    "F814W": (8333, 2511),
    "F850LP": (9445, 1229),
}
_WFC3 = {
    "F218W": (2228, 331),
    "F225W": (2372, 467),
    "F275W": (2710, 405),
    "F336W": (3355, 511),
    "F390M": (3897, 204),
    "F390W": (3924, 896),
    "F438W": (4326, 615),
    "F467M": (4683, 201),
    "F469N": (4688, 50),
    "F475W": (4773, 1344),
    "F487N": (4871, 60),
    "F502N": (5010, 65),
    "F547M": (5447, 650),
    "F555W": (5308, 1565),
    "F606W": (5889, 2189),
    "F621M": (6219, 609),
    "F625W": (6242, 1461),
    "F631N": (6304, 58),
    "F656N": (6561, 18),
    "F657N": (6567, 121),
    "F658N": (6586, 28),
    "F665N": (6656, 131),
    "F673N": (6766, 118),
    "F689M": (6876, 684),
    "F763M": (7614, 708),
    "F775W": (7651, 1179),
    "F814W": (8039, 1565),
    "F845M": (8439, 794),
    "F850LP": (9176, 1192),
    "F953N": (9530, 97),
    "F098M": (9864, 1570),
    "F105W": (10552, 2650),
    "F110W": (11534, 4430),
    "F125W": (12486, 2845),
    "F126N": (12585, 152),
    "F127M": (12740, 688),
    "F128N": (12832, 159),
    "F130N": (13006, 156),
    "F132N": (13188, 161),
    "F139M": (13838, 643),
    "F140W": (13923, 3840),
    "F153M": (15322, 685),
    "F160W": (15369, 2683),
    "F164N": (16404, 209),
    "F167N": (16642, 210),
}
_CAMERAS = {"ACS": _ACS, "WFC3": _WFC3}


def wavelengths_m(instrument: str | None, filters: str | None) -> tuple[float | None, float | None]:
    """Shortest and longest wavelength, in metres, that any of the filters (`F814W/F606W`) lets through.

    Both are None where the camera or one of the filters is not known.
    """
    bands = _CAMERAS.get((instrument or "").split("/")[0].upper(), {})
    names = (filters or "").upper().split("/")
    if not all(name in bands for name in names):
        return None, None
    edges = [(centre - width / 2, centre + width / 2) for centre, width in (bands[name] for name in names)]
    return round(min(low for low, _ in edges) * 1e-10, 12), round(max(high for _, high in edges) * 1e-10, 12)
