"""Files that are rare and real: 16 bits a channel, CMYK, a header that promises more pixels than anyone can hold."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

_ROWS_AT_ONCE = 1000


def deep_tiff(image: Image.Image) -> bytes:
    """An RGB picture as an uncompressed TIFF of 16 bits a channel (TIFF 6.0), which Pillow reads and cannot write."""
    pixels = (np.asarray(image.convert("RGB"), np.uint16) * 257).astype("<u2").tobytes()
    fields = (
        (256, 4, 1, image.width),
        (257, 4, 1, image.height),
        (258, 3, 3, 8),  # bits a channel, by their place
        (259, 3, 1, 1),  # not compressed
        (262, 3, 1, 2),  # RGB
        (273, 4, 1, 14),  # where the pixels begin
        (277, 3, 1, 3),  # channels
        (278, 4, 1, image.height),
        (279, 4, 1, len(pixels)),
    )
    directory = struct.pack("<H", len(fields)) + b"".join(struct.pack("<HHII", *field) for field in fields) + bytes(4)
    return b"II*\0" + struct.pack("<I", 14 + len(pixels)) + struct.pack("<HHH", 16, 16, 16) + pixels + directory


def cmyk_jpeg(image: Image.Image) -> bytes:
    """A picture as it is sent to printers."""
    out = io.BytesIO()
    image.convert("CMYK").save(out, "JPEG", quality=92)
    return out.getvalue()


def gray_tiff(image: Image.Image) -> bytes:
    """A picture in one channel."""
    out = io.BytesIO()
    image.convert("L").save(out, "TIFF")
    return out.getvalue()


def vast_png(width: int, height: int) -> bytes:
    """A black picture of one bit a pixel (PNG, ISO/IEC 15948): a short file that unpacks to any size."""
    packed = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    rows = [packed.compress(row * min(_ROWS_AT_ONCE, height - y)) for y in range(0, height, _ROWS_AT_ONCE)]
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", b"".join(rows) + packed.flush()), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
