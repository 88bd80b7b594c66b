"""Replies as a network or a careless editor leaves them: cut short, or with a part replaced."""

from hypothesis import strategies as st

_PIECES = (b"", b"<![", b"<!--", b"</table>", b"'", b'"', b"\\", b"{", b"]", b"&#xfffffff;", b"\x00", b"9" * 5000)
_FRAGMENTS = st.one_of(st.binary(max_size=12), st.sampled_from((*_PIECES, b"href='http://['")))


@st.composite
def broken(draw: st.DrawFn, whole: bytes) -> bytes:
    """A prefix of the reply, or the reply with up to three parts replaced."""
    if draw(st.booleans()):
        return whole[: draw(st.integers(0, len(whole)))]
    data = whole
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        data = data[:start] + draw(_FRAGMENTS) + data[start + draw(st.integers(0, 40)) :]
    return data
