"""Which products' fields reach into a region, by what their records say."""

from collections.abc import Callable
from typing import Any

from manifests.footprints import parse_region, unit_vectors
from scrapers import sphere
from scrapers.regions import Region
from scrapers.sky import Cone

_HALF_DIAGONAL = 0.7072  # of a square field, by its side


def reaching(region: Region) -> Callable[[dict[str, Any]], bool]:
    """Whether a record's field shares sky with a region; one that cannot be placed does.

    At the region's edge the footprint `s_region` decides where there is one, polygon by polygon. Else, and for the
    many fields far from the edge, the circle of `s_fov` about the position does.
    """

    def judge(record: dict[str, Any]) -> bool:
        circle = _circle(record)
        side = region.side(circle) if circle is not None else "edge"
        # a position without an extent says little of a footprint
        if circle is not None and circle.radius and side != "edge":
            return side == "in"
        outlines = [unit_vectors(corners) for corners in parse_region(record.get("s_region"))]
        clear = [outline for outline in outlines if _is_clear(outline)]
        return any(region.touches_polygon(outline) for outline in clear) if clear else side != "out"

    return judge


def _circle(record: dict[str, Any]) -> Cone | None:
    ra, dec, side = record.get("s_ra"), record.get("s_dec"), record.get("s_fov")
    if ra is None or dec is None:
        return None
    return Cone(ra, dec, min(180.0, (side or 0.0) * _HALF_DIAGONAL))


def _is_clear(outline: Any) -> bool:
    """Whether an outline has an inside that can be told from its outside."""
    centre = sphere.middle(outline)
    return bool(centre.any() and sphere.angles(outline, centre).max() <= sphere.LARGEST_REACH_DEG)
