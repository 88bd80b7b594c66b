"""Manifest rows for tests of the review."""

from typing import Any

import pandas as pd


def frames(count: int, verdict: str = "review", **columns: Any) -> pd.DataFrame:
    """Manifest rows of that verdict, with ids made of their number."""
    return pd.DataFrame(
        {
            "image_id": [f"{verdict[2]}{number:063x}".replace("v", "a").replace("j", "b") for number in range(count)],
            "source_name": [f"{verdict}-{number}" for number in range(count)],
            "obs_collection": "folder",
            "verdict": verdict,
            "reasons": "noisy",
            "doubt": [(number % 100) / 100 for number in range(count)],
            "noise_sigma_dn": [10.0 + (number % 100) / 10 for number in range(count)],
            "width_px": 640,
            "height_px": 480,
            **columns,
        }
    )
