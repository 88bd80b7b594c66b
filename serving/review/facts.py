"""A frame as the page gets it: who took it, what was measured of it, what it resembles."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from curation.review.cards import Lookalikes, gauges
from curation.review.desk import Sheet

_TOLD = (
    ("Archive", "obs_collection"),
    ("Target", "target_name"),
    ("Title", "obs_title"),
    ("Instrument", "instrument_name"),
    ("Filters", "filters"),
    ("Kind", "image_type"),
    ("Released", "obs_release_date"),
    ("Fetched", "fetched_at"),
    ("Credit", "credit"),
    ("Licence", "licence"),
)


def facts(sheet: Sheet, lookalikes: Lookalikes, row: Mapping[str, Any], blind: bool) -> dict[str, Any]:
    """What the page shows of a frame, as JSON; without what others said: people judge alone.

    With `blind`, for a check of the policy, also without what that thinks.
    """
    image_id = str(row["image_id"])
    return {
        "image_id": image_id,
        "name": row["source_name"] or image_id[:12],
        "width": int(row["width_px"]),
        "height": int(row["height_px"]),
        "coverage": None if row["coverage"] is None or pd.isna(row["coverage"]) else float(row["coverage"]),
        "bytes": int(row["size_bytes"]),
        "format": row["access_format"] or "",
        "blind": blind,
        "gauges": [asdict(gauge) for gauge in gauges(sheet.policy, row, blind)],
        "twins": [asdict(twin) for twin in lookalikes.of(image_id)],
        "told": [[label, _text(name, row[name])] for label, name in _TOLD if row[name] is not None],
        "link": _link(row["access_url"]),
    }


def _text(name: str, value: object) -> str:
    text = str(value)
    return f"{text[:10]} {text[11:16]} UTC" if name == "fetched_at" else text


def _link(address: object) -> str | None:
    """An address that a browser may follow, None for files of this machine and the like."""
    if not isinstance(address, str) or urlsplit(address).scheme not in ("http", "https"):
        return None
    return address
