"""What several test folders need: pictures as bytes."""

import io

import numpy as np
from PIL import Image


def jpeg(rgb: np.ndarray, quality: int = 90) -> bytes:
    """A picture, uint8 (H, W, 3) or (H, W), as JPEG bytes."""
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=quality)
    return out.getvalue()
