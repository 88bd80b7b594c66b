"""Loss curves as SVG text, so that a report needs neither a plotting library nor a second file."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 460, 260
_LEFT, _RIGHT, _BOTTOM = 64, 14, 36
_OVERFLOWED = 1e30  # a loss beyond it has diverged, and no axis can show it beside the others
_COLOURS = ("#7fb0ee", "#e3b34f", "#67c587", "#e8837a", "#b99cf0")


@dataclass(frozen=True)
class Series:
    """One curve: its name and its points (x, y)."""

    name: str
    points: tuple[tuple[float, float], ...]


def svg(title: str, series: Sequence[Series], x_label: str, marks: Sequence[tuple[float, str]] = ()) -> str:
    """Draw curves over a common axis; `marks` are vertical lines (x, label), drawn where the curves reach.

    Points that are not finite, or beyond 1e30, are left out. The y axis is logarithmic where all values are positive
    and span more than a factor of 30.
    """
    finite = [Series(s.name, tuple(p for p in s.points if abs(p[1]) < _OVERFLOWED)) for s in series]
    drawn = [s for s in finite if s.points]
    if not drawn:
        return f"<p>{escape(title)}: nothing was logged.</p>"
    xs = [x for s in drawn for x, _ in s.points]
    ys = [y for s in drawn for _, y in s.points]
    log = min(ys) > 0 and max(ys) > 30 * min(ys)
    to_axis = math.log10 if log else float
    top = 24 + 13 * len(drawn)  # the names stand above the plot, one below the other
    low, high = to_axis(min(ys)), to_axis(max(ys))
    if high - low <= 1e-9 * abs(high):
        low, high = low - abs(low) / 2 - 0.5, high + abs(high) / 2 + 0.5
    x0, x1 = min(xs), max(*xs, min(xs) + 1)

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - x0) / (x1 - x0) * (_WIDTH - _LEFT - _RIGHT)
        up = (to_axis(y) - low) / (high - low) * (_HEIGHT - top - _BOTTOM)
        return _LEFT + across, _HEIGHT - _BOTTOM - up

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title, quote=True)}" '
        'xmlns="http://www.w3.org/2000/svg" font-family="system-ui, sans-serif" font-size="11" fill="#a9b3c3">',
        f'<text x="{_LEFT}" y="16" font-size="13" fill="#e8ebf1">{escape(title)}</text>',
    ]
    for step in range(5):
        value = low + (high - low) * step / 4
        label = 10**value if log else value
        y = _HEIGHT - _BOTTOM - (_HEIGHT - top - _BOTTOM) * step / 4
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#2a3240"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label:.3g}</text>')
    # a step of five digits in the middle of the right edge would leave the frame
    for end, anchor in ((x0, "middle"), (x1, "end")):
        parts.append(
            f'<text x="{at(end, ys[0])[0]:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="{anchor}">{end:.0f}</text>'
        )
    parts.append(f'<text x="{(_LEFT + _WIDTH) / 2}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>')
    for x, text in (mark for mark in marks if x0 <= mark[0] <= x1):
        across = at(x, ys[0])[0]
        parts.append(f'<path d="M{across:.1f} {top}V{_HEIGHT - _BOTTOM}" stroke="#6b7789" stroke-dasharray="4 4"/>')
        # right of the middle its name would leave the frame
        side, anchor = (4, "start") if across < (_LEFT + _WIDTH) / 2 else (-4, "end")
        parts.append(
            f'<text x="{across + side:.1f}" y="{_HEIGHT - _BOTTOM - 5}" text-anchor="{anchor}">{escape(text)}</text>'
        )
    for number, curve in enumerate(drawn):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in curve.points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        parts.append(
            f'<text x="{_WIDTH - _RIGHT}" y="{16 + 13 * number}" text-anchor="end" fill="{colour}">'
            f"{escape(curve.name)}</text>"
        )
    return "\n".join([*parts, "</svg>"])
