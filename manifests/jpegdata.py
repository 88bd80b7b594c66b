"""Whether a JPEG that ends in order holds the whole picture; decoders do not say."""

import io
import random

import numpy as np
from PIL import Image

_END = b"\xff\xd9"
# Any data but a marker's; the same each time.
_FILLER = random.Random(0).randbytes(4096).replace(b"\xff", b"\x00")
_MIDDLE = 128


def lacks_data(data: bytes, picture: Image.Image) -> bool:
    """Whether the compressed data of a JPEG stop before its last pixel, as where its writer was stopped.

    libjpeg fills what is missing with zero coefficients, which are the middle of the range, and only warns. So a
    picture whose last pixel is that bright, and any progressive one, is decoded again with other data put before the
    end of the file: a whole picture stays as it was.
    """
    corner = picture.crop((picture.width - 1, picture.height - 1, picture.width, picture.height)).convert("L")
    # one step more or less: the colours of the blocks beside it are blended in
    if abs(int(np.asarray(corner)[0, 0]) - _MIDDLE) > 1 and not picture.info.get("progressive"):
        return False
    end = data.rfind(_END)
    if end < 0:
        return True
    with Image.open(io.BytesIO(data[:end] + _FILLER + _END)) as filled:
        return not np.array_equal(np.asarray(filled), np.asarray(picture))
