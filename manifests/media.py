"""What a file is, judged by its first bytes; archives mislabel their replies."""

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

SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", "image/tiff": ".tif", "image/fits": ".fits"}


def sniff(head: bytes) -> str | None:
    """Media type of a JPEG, PNG, TIFF, FITS or gzip stream from its first 16 bytes, else None."""
    return next((media for signature, media in _SIGNATURES if head.startswith(signature)), None)


def describe(head: bytes) -> str:
    """A few words on bytes that are no picture, for an error message."""
    if not head:
        return "an empty reply"
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if start.startswith((b"<?xml", b"<svg", b"<votable")):
        return "an XML document"
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head[:64]):
        return "text"
    return "bytes of an unknown kind"
