"""What the scrapers brought in: one row per image, whatever number of products turned out to be the same bytes."""

import json
from typing import Any

import pandas as pd
from sqlalchemy import Engine, select

from manifests import schema
from manifests.tables import products

_COLUMNS = [column.name for column in (*schema.IDENTITY, *schema.OBSCORE, *schema.PROVENANCE)]


def got_images(engine: Engine) -> list[str]:
    """Names (SHA-256) of all images whose bytes have arrived, in order."""
    query = select(products.c.sha256).where(products.c.status == "got", products.c.sha256.is_not(None)).distinct()
    with engine.connect() as connection:
        return sorted(connection.scalars(query))


def provenance(engine: Engine) -> pd.DataFrame:
    """Manifest columns of the groups Identity, ObsCore and Provenance, one row per image in the order of `image_id`.

    The product whose bytes came first speaks for the image. Its aliases are the others, and the names that any of them
    is known by at other sites.
    """
    columns = (products.c.product_id, products.c.sha256, products.c.record, products.c.found_at)
    query = select(*columns).where(products.c.status == "got", products.c.sha256.is_not(None))
    by_image: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    with engine.connect() as connection:
        for row in connection.execute(query.execution_options(yield_per=1000)):
            record = json.loads(row.record)
            arrived = record.get("fetched_at") or row.found_at
            by_image.setdefault(row.sha256, []).append((arrived, row.product_id, record))
    rows = []
    for image_id in sorted(by_image):
        (_, product_id, record), *others = sorted(by_image[image_id], key=lambda entry: entry[:2])
        known = {name: value for name, value in record.items() if name in _COLUMNS}
        names = {other for _, other, _ in others}
        for _, _, one in by_image[image_id]:
            names |= set(filter(None, (one.get("aliases") or "").split(",")))
        aliases = ",".join(sorted(names - {product_id})) or None
        rows.append(known | {"image_id": image_id, "product_id": product_id, "aliases": aliases})
    frame = pd.DataFrame(rows, columns=_COLUMNS).astype(object)
    return schema.conform(frame.where(frame.notna(), None))[_COLUMNS]
