"""Drawing a picture in a terminal: by the protocols of kitty, iTerm2 and sixel, or as coloured half blocks.

Sources: https://sw.kovidgoyal.net/kitty/graphics-protocol/, https://iterm2.com/documentation-images.html, and DEC's
VT330/VT340 Programmer Reference Manual, volume 2, chapter 14 (sixel).
"""

import base64
import io
import os
import re
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import Literal

import numpy as np
from PIL import Image

Way = Literal["kitty", "iterm2", "sixel", "blocks"]

_CHUNK = 4096  # longest piece of base64 that the kitty protocol allows
_ANSWER_S = 0.3
_CELL_PX = 8, 16  # width and height of a character, where the terminal does not tell


def way_of(environment: Mapping[str, str], answer: str) -> Way:
    """How a terminal draws best, by its environment and its answer to "what are you?" (DA1)."""
    program = environment.get("TERM_PROGRAM", "")
    if "KITTY_WINDOW_ID" in environment or "kitty" in environment.get("TERM", "") or program in ("ghostty", "WezTerm"):
        return "kitty"
    if program == "iTerm.app" or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm2"
    found = re.search(r"\x1b\[\?([\d;]+)c", answer)
    if found and "4" in found[1].split(";"):
        return "sixel"
    return "blocks"


@cache  # once a process: keys that are typed ahead would be taken for an answer
def ask_terminal() -> str:
    """What the terminal answers to DA1 (ECMA-48, 8.3.24), empty where it stays silent or there is none."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return ""
    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    answer = b""
    try:
        tty.setcbreak(handle)
        sys.stdout.write("\x1b[c")
        sys.stdout.flush()
        end = time.monotonic() + _ANSWER_S
        while not answer.endswith(b"c") and select.select([handle], [], [], max(0.0, end - time.monotonic()))[0]:
            answer += os.read(handle, 64)
    finally:
        with suppress(termios.error):
            termios.tcsetattr(handle, termios.TCSANOW, before)
    return answer.decode(errors="replace")


@contextmanager
def single_keys() -> Iterator[Callable[[], str]]:
    """A function that waits for one key of the terminal, `q` where that is closed. Keys typed ahead are not lost."""
    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    tty.setcbreak(handle, termios.TCSADRAIN)
    try:
        yield lambda: os.read(handle, 1).decode(errors="replace") or "q"
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)


def draw(rgb: np.ndarray, way: Way, columns: int, rows: int) -> str:
    """Text that shows a picture, uint8 (H, W, 3), in at most that many columns and rows of a terminal."""
    image = Image.fromarray(rgb)
    if way == "blocks":
        return _blocks(_fitted(image, columns, 2 * rows))
    image = _fitted(image, columns * _CELL_PX[0], rows * _CELL_PX[1])
    return {"kitty": _kitty, "iterm2": _iterm2, "sixel": _sixel}[way](image)


def _fitted(image: Image.Image, width: int, height: int) -> Image.Image:
    factor = min(width / image.width, height / image.height, 1.0)
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    return image.resize(size, Image.Resampling.LANCZOS)


def _blocks(image: Image.Image) -> str:
    pixels = np.asarray(image)
    if len(pixels) % 2:
        pixels = np.concatenate([pixels, np.zeros_like(pixels[:1])])
    lines = []
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        cells = [
            f"\x1b[38;2;{a[0]};{a[1]};{a[2]};48;2;{b[0]};{b[1]};{b[2]}m▀" for a, b in zip(upper, lower, strict=True)
        ]
        lines.append("".join(cells) + "\x1b[0m\n")
    return "".join(lines)


def _kitty(image: Image.Image) -> str:
    data = _png(image)
    pieces = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    parts = []
    for number, piece in enumerate(pieces):
        more = int(number < len(pieces) - 1)
        # q=2: no answers, which nobody here would read
        keys = f"a=T,f=100,q=2,m={more}" if number == 0 else f"m={more}"
        parts.append(f"\x1b_G{keys};{piece}\x1b\\")
    return "".join(parts) + "\n"


def _iterm2(image: Image.Image) -> str:
    return f"\x1b]1337;File=inline=1;preserveAspectRatio=1;width={image.width}px:{_png(image)}\x07\n"


def _sixel(image: Image.Image) -> str:
    paletted = image.quantize(255, dither=Image.Dither.FLOYDSTEINBERG)
    palette = paletted.getpalette() or []
    pixels = np.asarray(paletted)
    out = [f'\x1bPq"1;1;{image.width};{image.height}']
    for colour in np.unique(pixels):
        red, green, blue = (round(level * 100 / 255) for level in palette[3 * int(colour) : 3 * int(colour) + 3])
        out.append(f"#{colour};2;{red};{green};{blue}")
    for top in range(0, image.height, 6):
        band = pixels[top : top + 6]
        weights = 1 << np.arange(len(band))
        runs = []
        for colour in np.unique(band):
            bits = ((band == colour) * weights[:, None]).sum(axis=0)
            runs.append(f"#{colour}{_run_lengths(bits)}")
        out.append("$".join(runs) + "-")
    return "".join(out) + "\x1b\\\n"


def _run_lengths(bits: np.ndarray) -> str:
    edges = np.flatnonzero(np.diff(bits)) + 1
    starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [len(bits)]])
    parts = []
    for start, end in zip(starts, ends, strict=True):
        letter, count = chr(63 + int(bits[start])), int(end - start)
        parts.append(f"!{count}{letter}" if count > 3 else letter * count)
    return "".join(parts)


def _png(image: Image.Image) -> str:
    out = io.BytesIO()
    image.save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()
