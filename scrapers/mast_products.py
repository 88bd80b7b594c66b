"""From MAST's rows to products: which pictures a region's observations have, and what is known of each.

HLA's rows are single filters and white light; its colour pictures are no rows and no files, but made on demand of up
to three filters of one visit. HAP's colour pictures are files among the products of a visit's white-light row.
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from manifests.footprints import parse_region
from scrapers.hla import CREDIT as HLA_CREDIT
from scrapers.hla import MADE_UP, fitscut_query
from scrapers.hstnames import band_names, colour_name, parse_name
from scrapers.mast_api import Row, number, text
from scrapers.passbands import wavelengths_m
from scrapers.products import Product, product_id
from scrapers.sky import separation

NAME = "mast"
COLOR, COMBINED = "color", "combined"
HLA_URI = "mast:HLA/url"  # with a path of HLA behind it: MAST hands the request on
_HAP_CREDIT = "NASA, ESA and the Mikulski Archive for Space Telescopes (STScI)"
_HAP_PICTURE = re.compile(r"(?P<observation>.+)_dr[czw](?P<color>_color)?\.jpe?g", re.IGNORECASE)
_MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)
_LATEST_MJD = 1_000_000.0

Address = Callable[[str], str]


@dataclass
class _Group:
    """The observations that are registered together: one row for each filter, white light, colour rows of HLA."""

    bands: dict[str, Row]
    white: Row | None
    colours: list[Row]


def hla_products(rows: Iterable[Row], kinds: Sequence[str], address: Address, *, public: bool) -> list[Product]:
    """Pictures of HLA's rows, in the order of their names; `address` gives where the file of a URI is.

    A colour picture is made of the filters that the rows have. `public` says that the archive is not one on this
    machine, which NASA is not to be credited for.
    """
    found: dict[str, Product] = {}

    def add(row: Row, bands: Sequence[str], is_color: bool) -> None:
        name, query = str(text(row, "obs_id")), fitscut_query(bands, text(row, "instrument_name"))
        if query and name not in found:
            uri = f"{HLA_URI}/cgi-bin/fitscut.cgi?{query}"
            credit = HLA_CREDIT if public else None
            found[name] = _product(row, name, name, "HLA", uri, address(uri), is_color, len(bands), credit)

    for group in _groups(rows, hap=False).values():
        singles = list(group.bands.values()) + ([group.white] if group.white else [])
        for row in singles if COMBINED in kinds else ():
            add(row, [str(text(row, "obs_id"))], False)
        if COLOR not in kinds:
            continue
        for row in group.colours:
            add(row, band_names(str(text(row, "obs_id"))), True)
        chosen = _shown(group.bands)
        if chosen and not group.colours:
            bands = [str(text(row, "obs_id")) for row in chosen.values()]
            add(_combined(group, chosen) | {"obs_id": colour_name(bands)}, bands, True)
    return [found[name] for name in sorted(found)]


@dataclass(frozen=True)
class HapObservations:
    """HAP's single-visit observations of a region, by name, and those whose files are to be looked through."""

    groups: Mapping[str, "_Group"]
    by_name: Mapping[str, Row]
    obsids: tuple[str, ...]


def hap_observations(rows: Iterable[Row], kinds: Sequence[str]) -> HapObservations:
    """Sort the rows of a region; colour pictures hang on the white-light rows, single filters on their own."""
    groups = _groups(rows, hap=True)
    wanted: dict[str, None] = {}
    by_name: dict[str, Row] = {}
    for group in groups.values():
        white = [group.white] if group.white else []
        for row in (*group.bands.values(), *white):
            by_name[str(text(row, "obs_id")).lower()] = row
        for row in (*group.bands.values(), *white) if COMBINED in kinds else white:
            obsid = text(row, "obsid")
            if obsid:
                wanted[obsid] = None
    return HapObservations(groups, by_name, tuple(wanted))


def hap_products(
    observed: HapObservations, files: Iterable[Row], kinds: Sequence[str], address: Address, *, public: bool
) -> list[Product]:
    """Pictures among the files of observations, in the order of their names.

    Thumbnails are none, nor are files of other observations, which the lists repeat.
    """
    found: dict[str, Product] = {}
    for file in files:
        uri, name = text(file, "dataURI"), text(file, "productFilename")
        picture = _HAP_PICTURE.fullmatch(name or "")
        if uri is None or name is None or picture is None or not uri.startswith("mast:") or not _is_public(file):
            continue
        is_color = picture["color"] is not None
        row, of = observed.by_name.get(picture["observation"].lower()), parse_name(picture["observation"])
        if row is None or of is None or (COLOR if is_color else COMBINED) not in kinds:
            continue
        group = observed.groups[of.group]
        chosen = _shown(group.bands) if is_color else {}
        if is_color and chosen:
            row = _combined(group, chosen) | {"obs_id": text(row, "obs_id")}
        credit = _HAP_CREDIT if public else None
        size = number(file, "size")
        product = _product(row, name.rpartition(".")[0], name, "HAP", uri, address(uri), is_color, len(chosen), credit)
        found[name] = replace(product, access_estsize=round(size / 1000, 3)) if size and size > 0 else product
    return [found[name] for name in sorted(found)]


def _groups(rows: Iterable[Row], *, hap: bool) -> dict[str, _Group]:
    groups: dict[str, _Group] = defaultdict(lambda: _Group({}, None, []))
    for row in rows:
        name = parse_name(text(row, "obs_id") or "")
        if name is None or name.is_hap != hap or name.is_exposure or not _is_public(row):
            continue
        group = groups[name.group]
        if not name.elements:
            group.white = group.white or row
        elif len(name.elements) == 1:
            group.bands.setdefault(name.elements[0], row)
        else:
            group.colours.append(row)
    return dict(sorted(groups.items()))


def _is_public(row: Row) -> bool:
    """Whether anybody may have it; older tables have no such column and nothing else."""
    return (text(row, "dataRights") or "PUBLIC").upper() == "PUBLIC"


def _shown(bands: Mapping[str, Row]) -> dict[str, Row]:
    """The filters shown as red, (green,) blue, from the longest wavelength to the shortest; none for a single one.

    Of more than three, green is the lower median, as HAP has it.
    """
    names = sorted(bands, key=lambda name: (_wavelength_nm(name, bands[name]), name))
    if len(names) < 2:
        return {}
    shown = names if len(names) == 2 else [names[0], names[(len(names) - 1) // 2], names[-1]]
    return {name: bands[name] for name in reversed(shown)}


def _wavelength_nm(element: str, row: Row) -> float:
    """The middle of a filter's band, by its row, else by its name: F814W, or F160W of the infrared cameras."""
    shortest, longest = number(row, "em_min"), number(row, "em_max")
    if shortest and longest:
        return (shortest + longest) / 2
    digits = float("".join(re.findall(r"\d+", element)[:1]) or 0)
    camera = (text(row, "instrument_name") or "").upper()
    return 10 * digits if camera.startswith("NIC") or camera.endswith("/IR") else digits


def _combined(group: _Group, chosen: Mapping[str, Row]) -> Row:
    """The row of a picture of several filters: where the white-light one is, with the filters' times and bands."""
    rows = list(chosen.values())
    whole: Row = {**(group.white or rows[0]), "filters": "/".join(chosen)}
    for column, merge in (("t_min", min), ("t_max", max), ("t_exptime", sum), ("em_min", min), ("em_max", max)):
        values = [number(row, column) for row in rows]
        known = [value for value in values if value is not None]
        whole[column] = merge(known) if len(known) == len(values) else None
    return whole


def _product(
    row: Row,
    name: str,
    source_name: str,
    collection: str,
    uri: str,
    url: str,
    is_color: bool,
    bands: int,
    credit: str | None,
) -> Product:
    parsed = parse_name(text(row, "obs_id") or "")
    ra, dec, region = number(row, "s_ra"), number(row, "s_dec"), text(row, "s_region")
    if ra is None or dec is None or not -90.0 <= dec <= 90.0:
        ra = dec = None
    detector, filters = text(row, "instrument_name"), text(row, "filters")
    shortest, longest = number(row, "em_min"), number(row, "em_max")
    known = wavelengths_m(detector, filters)
    calib_level = number(row, "calib_level")
    return Product(
        archive=NAME,
        product_id=product_id(NAME, name),
        source_name=source_name,
        release_id=parsed.release_id if parsed else name,
        expects_colour=is_color,
        calib_level=None if calib_level is None else int(calib_level),
        obs_collection=collection,
        obs_id=text(row, "obs_id"),
        obs_title=text(row, "obs_title"),
        obs_publisher_did=uri.replace("&amp;", "&"),
        obs_creator_name=text(row, "proposal_pi"),
        obs_release_date=_iso(number(row, "t_obs_release")),
        access_url=url,
        access_format="image/jpeg",
        target_name=text(row, "target_name"),
        s_ra=None if ra is None else ra % 360.0,
        s_dec=dec,
        s_fov=_extent(ra, dec, region),
        s_region=" ".join(region.split()) if region else None,
        t_min=number(row, "t_min"),
        t_max=number(row, "t_max"),
        t_exptime=number(row, "t_exptime"),
        em_min=_metres(shortest) if shortest and longest else known[0],
        em_max=_metres(longest) if shortest and longest else known[1],
        facility_name="HST",
        instrument_name=detector,
        filters=filters,
        credit=credit,
        # both archives show the mean of red and blue where there is no third filter
        synthetic_green=bands == 2 if is_color and bands else None,
        synthetic_position=text(row, "target_name") == MADE_UP,
    )


def _metres(nanometres: float) -> float:
    return round(nanometres * 1e-9, 15)


def _extent(ra: float | None, dec: float | None, region: str | None) -> float | None:
    """Side in degrees of the square about a position whose corners reach as far as the footprint does."""
    if ra is None or dec is None:
        return None
    corners = [corner for polygon in parse_region(region) for corner in polygon]
    reach = max((separation(ra, dec, float(x), float(y)) for x, y in corners), default=0.0)
    return round(reach * math.sqrt(2), 6) or None


def _iso(mjd: float | None) -> str | None:
    if mjd is None or not 0 < mjd < _LATEST_MJD:
        return None
    return (_MJD_ZERO + timedelta(days=mjd)).strftime("%Y-%m-%dT%H:%M:%SZ")
