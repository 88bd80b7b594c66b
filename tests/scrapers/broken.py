"""Replies as a network or a careless editor leaves them: cut short, or with parts replaced, flipped, moved, doubled."""

import re
from collections.abc import Callable

from hypothesis import strategies as st

_PIECES = (b"", b"<![", b"<!--", b"</table>", b"'", b'"', b"\\", b"{", b"]", b"&#xfffffff;", b"\x00", b"9" * 5000)
_FRAGMENTS = st.one_of(st.binary(max_size=12), st.sampled_from((*_PIECES, b"href='http://['")))
_NUMBER = re.compile(rb"\d+")
_NUMBERS = (
    b"9" * 5000,
    b"1e999",
    b"-1",
    b"0",
    b"00",
    b"NaN",
    b"1e-320",
    b"99999999999999999999",
    b"3.7",
    b"x",
    b"\xd9\xa3",
)
_CHUNK = 2000


def _replaced(draw: st.DrawFn, data: bytes) -> bytes:
    start = draw(st.integers(0, len(data)))
    return data[:start] + draw(_FRAGMENTS) + data[start + draw(st.integers(0, 40)) :]


def _flipped(draw: st.DrawFn, data: bytes) -> bytes:
    place, bit = draw(st.integers(0, max(0, len(data) - 1))), draw(st.integers(0, 7))
    return data[:place] + bytes(byte ^ 1 << bit for byte in data[place : place + 1]) + data[place + 1 :]


def _without_a_chunk(draw: st.DrawFn, data: bytes) -> bytes:
    start = draw(st.integers(0, len(data)))
    return data[:start] + data[start + draw(st.integers(1, _CHUNK)) :]


def _with_a_chunk_twice(draw: st.DrawFn, data: bytes) -> bytes:
    start, size = draw(st.integers(0, len(data))), draw(st.integers(1, _CHUNK))
    return data[: start + size] + data[start:]


def _swapped(draw: st.DrawFn, data: bytes) -> bytes:
    a, b, c, d = sorted(draw(st.integers(0, len(data))) for _ in range(4))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _renumbered(draw: st.DrawFn, data: bytes) -> bytes:
    found = [match.span() for match in _NUMBER.finditer(data)]
    if not found:
        return data
    start, end = draw(st.sampled_from(found))
    return data[:start] + draw(st.sampled_from(_NUMBERS)) + data[end:]


_DAMAGES: tuple[Callable[[st.DrawFn, bytes], bytes], ...] = (
    _replaced,
    _flipped,
    _without_a_chunk,
    _with_a_chunk_twice,
    _swapped,
    _renumbered,
)


@st.composite
def broken(draw: st.DrawFn, whole: bytes) -> bytes:
    """A prefix of the reply, or the reply with up to three parts damaged."""
    if draw(st.integers(0, 3)) == 0:
        return whole[: draw(st.integers(0, len(whole)))]
    data = whole
    for _ in range(draw(st.integers(1, 3))):
        data = draw(st.sampled_from(_DAMAGES))(draw, data)
    return data
