"""Which frames are drawn for a check: a fixed random share, the same on every machine and in every snapshot."""

import hashlib
from typing import Literal

Draw = Literal["audit", "second"]


def lot(draw: Draw, image_id: str) -> float:
    """A number in [0, 1) that depends on the frame and the draw alone: uniform, and known to nobody beforehand."""
    digest = hashlib.sha256(f"{draw}:{image_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64


def drawn(draw: Draw, image_id: str, rate: float) -> bool:
    """Whether a frame is in a sample of that rate, 0 to 1. A higher rate only adds frames."""
    return lot(draw, image_id) < rate
