"""Made-up measurements of labelled frames: good ones and others that differ in a few of them."""

import numpy as np
import pandas as pd

from curation.learning import LEARNT_FROM
from manifests import schema


def labelled_rows(each: int, seed: int, apart: float = 2.0) -> pd.DataFrame:
    """`each` frames to keep and to drop, the latter `apart` standard deviations off in three measurements."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {column.name: np.abs(rng.normal(50, 10, 2 * each)) for column in schema.MEASURES if column.dtype == "float64"}
    )
    rows["label"] = ["keep", "drop"] * each
    drop = rows["label"] == "drop"
    for name in ("line_length", "flat_fraction", "edge_p99_dn"):
        rows.loc[drop, name] += 10 * apart
    rows["given"] = rows["label"].map({"keep": "good", "drop": "bad"})
    rows["group"] = [f"release-{number // 2}" for number in range(2 * each)]
    rows["source"] = [f"{number}.png" for number in range(2 * each)]
    rows["domain"] = "stretched"
    rows.loc[::7, LEARNT_FROM[3]] = np.nan
    return rows
