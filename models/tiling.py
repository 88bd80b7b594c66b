"""Cutting a large picture into overlapping tiles so that the joined result equals the whole.

A tile carries a margin of the network's receptive radius, and starts at a multiple of its stride; then no kept pixel
can tell that it was computed in a tile.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """Along one axis: compute `source`, keep the part that covers `target`; both in input pixels, end excluded."""

    source: tuple[int, int]
    target: tuple[int, int]

    @property
    def inner(self) -> tuple[int, int]:
        """Where `target` lies within `source`."""
        return self.target[0] - self.source[0], self.target[1] - self.source[0]


@dataclass(frozen=True)
class Tile:
    """A rectangle: its rows and its columns."""

    rows: Span
    columns: Span


def tiles(height: int, width: int, *, tile_px: int, margin: int, stride: int) -> Iterator[Tile]:
    """Tiles that cover a picture once, row by row.

    Args:
        height: rows of the picture.
        width: columns of the picture.
        tile_px: side of the kept part of a tile.
        margin: pixels needed around it: the network's `receptive_radius`.
        stride: the network's `stride`.

    Raises:
        ValueError: `tile_px` or `stride` is below 1, or `margin` below 0.
    """
    if tile_px < 1 or stride < 1 or margin < 0:
        raise ValueError(f"tile_px {tile_px} and stride {stride} must be 1 or more, margin {margin} 0 or more")
    for rows in _spans(height, tile_px, margin, stride):
        for columns in _spans(width, tile_px, margin, stride):
            yield Tile(rows, columns)


def _spans(length: int, tile_px: int, margin: int, stride: int) -> Iterator[Span]:
    for start in range(0, length, tile_px):
        end = min(start + tile_px, length)
        first = max(0, start - margin) // stride * stride
        yield Span((first, min(length, end + margin)), (start, end))
