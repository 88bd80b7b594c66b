"""What a file is, judged by its first bytes; archives mislabel their replies."""

import codecs

_SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),
    (b"MM\x00+", "image/tiff"),
    (b"SIMPLE  =", "image/fits"),
    (b"\x1f\x8b", "application/gzip"),
)

# Kinds that are told apart only to name them: none is taken.
_OTHERS = (
    (b"GIF8", "a GIF picture"),
    (b"RIFF", "a WebP picture or another RIFF file"),
    (b"BM", "a BMP picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
)

SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", "image/tiff": ".tif", "image/fits": ".fits"}


def sniff(head: bytes) -> str | None:
    """Media type of a JPEG, PNG, TIFF, FITS or gzip stream from its first 16 bytes, else None."""
    return next((media for signature, media in _SIGNATURES if head.startswith(signature)), None)


def describe(head: bytes) -> str:
    """A few words on bytes that are no picture, for an error message."""
    if not head:
        return "an empty reply"
    if any(signature.startswith(head) for signature, _ in _SIGNATURES):
        return "the first bytes of a picture"
    start = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if start.startswith((b"<?xml", b"<svg", b"<votable")):
        return "an XML document"
    other = next((name for signature, name in _OTHERS if head.startswith(signature)), None)
    if other is not None:
        return other
    return "text" if _is_text(head[:64]) else "bytes of an unknown kind"


def _is_text(head: bytes) -> bool:
    try:
        # the last character may be cut in two
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(character in "\t\n\r" or character.isprintable() for character in text)
