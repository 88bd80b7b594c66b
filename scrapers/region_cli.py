"""The options that say where on the sky to look, for every command that asks an archive of the sky.

A command takes the options by these names and hands them to `region_from_options`; `--order` and `--grid` make a
`Tiling`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from manifests.settings import Settings
    from scrapers.regions import Region

_DEFAULT_RADIUS_DEG = 0.2

TargetOption = Annotated[str | None, typer.Option(help="Name of an object: M101, 'NGC 1300', Whirlpool.")]
RaOption = Annotated[str | None, typer.Option(help="Right ascension: degrees, or hours as 14:03:12.6.")]
DecOption = Annotated[str | None, typer.Option(help="Declination: degrees, or as +54:20:57.")]
RadiusOption = Annotated[
    float | None,
    typer.Option(
        help="Radius in degrees about --target or --ra and --dec; 0 for what covers the very point.",
        show_default=str(_DEFAULT_RADIUS_DEG),
    ),
]
PolygonOption = Annotated[
    str | None,
    typer.Option(help="A polygon instead, in STC-S: 'POLYGON ICRS 210.6 54.2 211.0 54.2 210.8 54.5'.", metavar="STC-S"),
]
MocOption = Annotated[
    Path | None, typer.Option(help="The area of a MOC instead: a FITS, JSON or ASCII file.", metavar="FILE")
]
SkyOption = Annotated[str | None, typer.Option(help="'all' for the whole sky instead.", metavar="all")]
OrderOption = Annotated[
    int | None,
    typer.Option(
        help="Cut the region into HEALPix cells of this order (0 to 12), one question each. "
        "By default 6, cells of 0.84 square degrees, for whatever does not fit into one cone of 1 degree.",
        show_default=False,
        metavar="K",
    ),
]
GridOption = Annotated[
    bool,
    typer.Option(
        "--grid",
        help="Ask in cones of 1 degree on every whole degree of RA and Dec instead: "
        "more questions that overlap, as earlier collections were made.",
    ),
]
MocOutOption = Annotated[
    Path | None,
    typer.Option(help="Write the sky covered as a MOC: .fits, .json or .txt (ASCII).", metavar="FILE"),
]
MocOfOption = Annotated[
    str | None,
    typer.Option(help="Which coverage --moc-out writes, where there are several: hla, 'hla color'.", metavar="NAME"),
]


def region_from_options(
    settings: Settings,
    *,
    target: str | None = None,
    ra: str | float | None = None,
    dec: str | float | None = None,
    radius: float | None = None,
    polygon: str | None = None,
    moc: Path | None = None,
    sky: str | None = None,
) -> Region:
    """The region that the options name, in exactly one way.

    Raises:
        UsageError: no way or several are given, or the one that is cannot be used.
    """
    from manifests.errors import UsageError
    from scrapers import regions
    from scrapers.sky import cone
    from scrapers.targets import resolve

    if target is not None and (ra is not None or dec is not None):
        raise UsageError("Give either --target or --ra and --dec, not both.")
    if (ra is None) != (dec is None):
        raise UsageError("A position needs both --ra and --dec.")
    ways = {"--target": target, "--ra and --dec": ra, "--polygon": polygon, "--moc": moc, "--sky": sky}
    given = [name for name, value in ways.items() if value is not None]
    if not given:
        raise UsageError("Say where to look: --target M101, or --ra and --dec, or --polygon, --moc or --sky all.")
    if len(given) > 1:
        raise UsageError(f"Say in one way where to look: {' and '.join(given)} cannot be combined.")
    if radius is not None and target is None and ra is None:
        raise UsageError(f"--radius goes with --target or with --ra and --dec, not with {given[0]}.")
    reach = _DEFAULT_RADIUS_DEG if radius is None else radius
    if ra is not None and dec is not None:
        return cone(ra, dec, reach)
    if target is not None:
        cone(0.0, 0.0, reach)  # a wrong radius is found before a name is looked up
        place = resolve(target, settings)
        return cone(place.ra, place.dec, reach)
    if polygon is not None:
        return regions.polygon(polygon)
    if moc is not None:
        return regions.area(moc)
    if sky != "all":
        raise UsageError(f"--sky {sky!r} is not known: only --sky all, the whole sky.")
    return regions.WholeSky()
