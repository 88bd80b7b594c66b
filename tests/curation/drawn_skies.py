"""Pictures drawn for the tests: skies with stars and galaxies, and things that are no sky."""

import io
import json

import cv2
import numpy as np
from PIL import Image
from sqlalchemy import Engine, insert

from manifests.blobs import BlobStore
from manifests.frames import Frame
from manifests.tables import products


def sky(seed: int, height: int = 300, width: int = 360, noise: float = 2.0, stars: int = 150) -> np.ndarray:
    """A field of coloured stars and galaxies on a faint nebula, uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    light = np.full((height, width, 3), 12.0)
    cloud = cv2.resize(rng.random((8, 8, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    light += 45 * np.clip(cloud - 0.3, 0, None)
    rows, columns = np.mgrid[:height, :width]
    for _ in range(stars):
        y, x = rng.uniform(0, height), rng.uniform(0, width)
        colour = rng.uniform(0.4, 1.0, 3)
        spread = rng.uniform(1.1, 1.8) if rng.random() < 0.8 else rng.uniform(3, 9)
        box = np.s_[max(0, int(y) - 30) : int(y) + 30, max(0, int(x) - 30) : int(x) + 30]
        radius2 = (rows[box] - y) ** 2 + (columns[box] - x) ** 2
        light[box] += rng.uniform(40, 220) * np.exp(-radius2 / (2 * spread**2))[..., None] * colour
    light += rng.normal(0, noise, light.shape)
    return np.clip(light + 0.5, 0, 255).astype(np.uint8)


def frame(rgb: np.ndarray, valid: np.ndarray | None = None) -> Frame:
    """A stretched frame of these pixels."""
    mask = np.ones(rgb.shape[:2], bool) if valid is None else valid
    return Frame(np.ascontiguousarray(rgb), mask, 3, "stretched", "image/png", None, None)


def turned_footprint(height: int, width: int, degrees: float = 20.0) -> np.ndarray:
    """The valid mask of a chip turned within its frame."""
    box = cv2.boxPoints(((width / 2, height / 2), (0.75 * width, 0.75 * height), degrees))
    mask = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(mask, box.astype(np.int32), 1)
    return mask.astype(bool)


def page(height: int = 400, width: int = 520) -> np.ndarray:
    """A white page with axes and lines of text."""
    rgb = np.full((height, width, 3), 235, np.uint8)
    cv2.rectangle(rgb, (60, 40), (width - 40, height - 80), (20, 20, 20), 2)
    cv2.putText(rgb, "Hubble Space Telescope", (70, height - 30), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (10, 10, 10), 2)
    return rgb


def encoded(rgb: np.ndarray, form: str = "PNG", **options: object) -> bytes:
    """The bytes of a picture file."""
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, form, **options)
    return out.getvalue()


def put(engine: Engine, blobs: BlobStore, name: str, data: bytes, **record: object) -> str:
    """Enter a picture into blob store and ledger as a scraper would; returns its image_id."""
    image_id = blobs.put(data).sha256
    text = {"source_name": name, "release_id": name, "obs_collection": "drawn", "fetched_at": "2026-01-01T00:00:00Z"}
    with engine.begin() as connection:
        connection.execute(
            insert(products).values(
                product_id=f"drawn:{name}",
                archive="drawn",
                access_url=f"http://127.0.0.1/{name}",
                record=json.dumps(text | record, sort_keys=True),
                expects_colour=False,
                status="got",
                sha256=image_id,
                attempts=1,
                found_at="2026-01-01T00:00:00Z",
                updated_at="2026-01-01T00:00:00Z",
            )
        )
    return image_id
