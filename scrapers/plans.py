"""The plan of a crawl: which questions to ask an archive for all that is in a region of the sky."""

from dataclasses import dataclass, replace
from typing import Protocol

from sqlalchemy import Engine

from scrapers import ledger
from scrapers.http import PoliteClient
from scrapers.products import Product, Tile
from scrapers.regions import Region, WholeSky
from scrapers.sky import Cone
from scrapers.tiling import Tiling, cut

BY_CELLS = Tiling()


class Archive(Protocol):
    """What a crawl needs to know of an archive."""

    name: str
    client: PoliteClient

    def tile(self, cone: Cone) -> Tile:
        """The question for the products in a cone."""
        ...

    def ask(self, tile: Tile) -> list[Product]:
        """The products a tile has."""
        ...


@dataclass(frozen=True)
class Plan:
    """The questions that cover a region; `within` is the region where the tiles reach beyond it, else None.

    `inside` are the ids of the tiles that do not: all that they have is in the region.
    """

    tiles: tuple[Tile, ...]
    within: Region | None
    inside: frozenset[str] = frozenset()


def make_plan(archive: Archive, region: Region, tiling: Tiling = BY_CELLS) -> Plan:
    """Cut a region into questions.

    Raises:
        UsageError: they would be too many.
    """
    pieces = cut(region, tiling)
    tiles = tuple(replace(archive.tile(cone), coverage=coverage) for cone, coverage in pieces)
    # what such questions find is in the region by the archive's own judgement
    exact = isinstance(region, WholeSky) or [cone for cone, _ in pieces] == [region]
    if exact:
        return Plan(tiles, None)
    inside = (tile.tile_id for tile, (cone, _) in zip(tiles, pieces, strict=True) if region.side(cone) == "in")
    return Plan(tiles, region, frozenset(inside))


def plan_tiles(archive: Archive, region: Region, tiling: Tiling = BY_CELLS, *, engine: Engine) -> Plan:
    """Cut a region into questions and write them down."""
    plan = make_plan(archive, region, tiling)
    ledger.plan(engine, plan.tiles)
    return plan
