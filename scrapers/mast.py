"""MAST, the successor of the Legacy Archive: colour pictures of Hubble's visits by HAP and by HLA.

The cone is asked by `Mast.Caom.Filtered.Position`, not by `Mast.Caom.Cone`: the latter sends the observations of
every mission, by the ten thousand in a crowded field, while the former leaves all but the collection wanted with the
server. A server that overlooks a filter does no harm: rows of other names are left out here.
"""

import json
from dataclasses import dataclass
from functools import partial

from manifests.errors import UsageError
from manifests.settings import Settings
from scrapers.fields import reaching
from scrapers.hosts import Origin, is_private
from scrapers.http import PoliteClient, shared_client
from scrapers.mast_api import PAGE_ROWS, Row, ask_rows, download_url
from scrapers.mast_products import (
    COLOR,
    COMBINED,
    HLA_URI,
    NAME,
    hap_observations,
    hap_products,
    hla_products,
)
from scrapers.products import Product, Tile
from scrapers.sky import Cone

HAP, HLA = "hap", "hla"
_KNOWN = {"collection": (HAP, HLA), "kind": (COLOR, COMBINED)}
_FRIENDS = frozenset({"mast.stsci.edu", "hla.stsci.edu", "archive.stsci.edu"})
# A visit is known by all of its filters. Their footprints differ by the steps between exposures, so that a cone's edge
# may cut some of them off: it is asked a little wider, and what lies beyond it is left out.
_MARGIN_DEG = 0.02
_OBSIDS_AT_ONCE = 100


@dataclass(frozen=True)
class MastQuery:
    """Which products to ask for: `hap` and `hla`; colour pictures, or those of single filters and white light."""

    collections: tuple[str, ...] = (HAP, HLA)
    kinds: tuple[str, ...] = (COLOR,)


def mast_query(collection: str = "hap,hla", kind: str = COLOR) -> MastQuery:
    """A query from comma-separated lists as a user types them, upper or lower case.

    Raises:
        UsageError: a collection or kind that there is not.
    """
    return MastQuery(_choose(collection, "collection"), _choose(kind, "kind"))


class Mast:
    """One MAST: the real one, or any server that speaks its protocol.

    HLA's pictures come by MAST's download service, which hands requests on to HLA, or, where `hla_base` is given,
    from the HLA at that address.
    """

    name = NAME

    def __init__(
        self, client: PoliteClient, query: MastQuery, *, hla_base: str | None = None, page_rows: int = PAGE_ROWS
    ) -> None:
        self.client = client
        self.query = query
        self._hla_base = hla_base
        self._page_rows = page_rows
        own = Origin.of(client.base)
        self._is_public = own is not None and not is_private(own.host, look_up=False)

    def tile(self, cone: Cone) -> Tile:
        """The question for the products in a cone."""
        request = {
            "url": self.client.base,
            "cone": [round(cone.ra, 6), round(cone.dec, 6), round(cone.radius, 6)],
            "collections": self.query.collections,
            "kinds": self.query.kinds,
        }
        return Tile(self.name, json.dumps(request))

    def ask(self, tile: Tile) -> list[Product]:
        """The products a tile has, each picture once.

        Raises:
            HttpError: the archive cannot be asked, or its answer is not one.
        """
        asked = json.loads(tile.request)
        cone = Cone(*asked["cone"])
        position = f"{cone.ra:.6f}, {cone.dec:.6f}, {min(cone.radius + _MARGIN_DEG, 180.0):.6f}"
        found: list[Product] = []
        if HAP in asked["collections"]:
            found += self._hap(position, asked["kinds"])
        if HLA in asked["collections"]:
            rows = self._cone(position, {"paramName": "obs_collection", "values": ["HLA"]})
            found += hla_products(rows, asked["kinds"], self._hla_address, public=self._is_public)
        wanted = reaching(cone)
        return [product for product in found if wanted(product.record())]

    def _hap(self, position: str, kinds: list[str]) -> list[Product]:
        rows = self._cone(
            position,
            {"paramName": "obs_collection", "values": ["HST"]},
            # of all Hubble's observations only the processed visits have names of this form
            {"paramName": "obs_id", "values": [], "freeText": "hst_%"},
        )
        observed = hap_observations(rows, kinds)
        files: list[Row] = []
        for start in range(0, len(observed.obsids), _OBSIDS_AT_ONCE):
            some = ",".join(observed.obsids[start : start + _OBSIDS_AT_ONCE])
            files += ask_rows(self.client, "Mast.Caom.Products", {"obsid": some}, self._page_rows)
        address = partial(download_url, self.client.base)
        return hap_products(observed, files, kinds, address, public=self._is_public)

    def _cone(self, position: str, *filters: Row) -> list[Row]:
        images = {"paramName": "dataproduct_type", "values": ["image"]}
        params = {"columns": "*", "filters": [*filters, images], "position": position}
        return list(ask_rows(self.client, "Mast.Caom.Filtered.Position", params, self._page_rows))

    def _hla_address(self, uri: str) -> str:
        if self._hla_base is None:
            return download_url(self.client.base, uri)
        return self._hla_base + uri.removeprefix(HLA_URI)


def open_mast(settings: Settings, query: MastQuery, archive_url: str | None = None) -> Mast:
    """MAST at its usual address, or at another; that host then counts as the archive's own, and as HLA's.

    Raises:
        UsageError: the address is none.
    """
    from_hla = settings.mast_hla_pictures == "hla"
    if archive_url is None:
        client = shared_client(settings.mast_url, settings, _FRIENDS)
        return Mast(client, query, hla_base=settings.hla_url if from_hla else None)
    client = shared_client(archive_url, settings)
    return Mast(client, query, hla_base=client.base if from_hla else None)


def _choose(text: str, what: str) -> tuple[str, ...]:
    names = {name.strip().lower() for name in text.split(",") if name.strip()}
    known = _KNOWN[what]
    wrong = sorted(names - set(known))
    if wrong or not names:
        raise UsageError(
            f"MAST is not asked for the {what} {', '.join(wrong) or text!r}: choose from {', '.join(known)}."
        )
    return tuple(name for name in known if name in names)
