"""The outreach sites of the local archive side by side, as they were in one era or as in all at once."""

from typing import Literal

from scrapers.replica.catalogue import Archive
from scrapers.replica.esahubble import esahubble_routes
from scrapers.replica.exchange import Routes
from scrapers.replica.heritage import gone_routes, heritage_routes
from scrapers.replica.hubblesite import ERAS, hubblesite_routes
from scrapers.replica.mix import with_companions
from scrapers.replica.outreach import pictures

Era = Literal["2017", "2020", "2023"]
_SPOKEN = {"2017": ("2017", "api"), "2020": ("2020",), "2023": ("2023",)}


def site_routes(archive: Archive, prefix: str = "", era: Era | None = None, *, mixed: bool = False) -> Routes:
    """ESA/Hubble, HubbleSite and Heritage below `prefix`; from 2020 on Heritage leads to HubbleSite's collection.

    `mixed` adds what lies beside the observations on real sites, and what is wrong with some.
    """
    shown = pictures(archive)
    shown = with_companions(shown) if mixed else shown
    hubblesite = f"{prefix}/hubblesite"
    live = era is None or era == "2017"
    return {
        **esahubble_routes(archive, f"{prefix}/esahubble", shown),
        **hubblesite_routes(archive, hubblesite, _SPOKEN[era] if era else ERAS, shown),
        **(
            heritage_routes(archive, f"{prefix}/heritage", hubblesite, shown)
            if live
            else gone_routes(f"{prefix}/heritage", hubblesite, era or "2023")
        ),
    }
