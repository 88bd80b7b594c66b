"""Names for what a frame shows: a hash of its pixels, and perceptual hashes that survive small changes."""

from dataclasses import dataclass
from functools import cache

import cv2
import imagehash
import numpy as np

from curation.portrait import gray_portrait
from manifests.frames import Frame, pixel_digest

SYMMETRIES = 8  # of the square: four rotations, each plain and mirrored; the second four are mirrored
_SIDE_PX = 64  # what a 256-bit DCT hash looks at; the 64-bit one looks at half
_PX_OF_BIT = 4  # a picture is so many times as large as its hash, by side


@dataclass(frozen=True)
class Fingerprints:
    """`pixel_sha256` names the decoded pixels; the perceptual hashes are eight each, one per symmetry of the square.

    Hashes are hexadecimal, the picture as it is first; None where no pixel is valid.
    """

    pixel_sha256: str
    phash64: tuple[str, ...] | None
    phash256: tuple[str, ...] | None


def fingerprint(frame: Frame) -> Fingerprints:
    """Fingerprint a frame: the DCT hashes of `imagehash.phash` (64 and 256 bits) of its valid bounding box.

    The box is squeezed to a square first, so a crop changes the hash and a change of size does not.
    """
    if frame.box is None:
        return Fingerprints(pixel_digest(frame), None, None)
    gray = gray_portrait(frame, (_SIDE_PX, _SIDE_PX))
    way = cv2.INTER_AREA if max(gray.shape) > _SIDE_PX else cv2.INTER_LINEAR
    square = cv2.resize(gray, (_SIDE_PX, _SIDE_PX), interpolation=way)
    halved = cv2.resize(square, (_SIDE_PX // 2, _SIDE_PX // 2), interpolation=cv2.INTER_AREA)
    return Fingerprints(pixel_digest(frame), _hashes(halved, 8), _hashes(square, 16))


def _hashes(square: np.ndarray, side: int) -> tuple[str, ...]:
    """What `imagehash.phash` says of all symmetries of a picture four times as large as the hash, from one transform.

    To turn or mirror a picture is to transpose its cosine waves and to change the sign of every second one.
    """
    cosines = _cosines(side)
    # rounded, or what is 0 of a blank or a ruled picture would be bits of noise
    waves = np.round(cosines @ square.astype(np.float64) @ cosines.T, 6)
    sign = 1.0 - 2.0 * (np.arange(side) % 2)
    turned = []
    for view in (waves, waves * sign):
        for _ in range(SYMMETRIES // 2):
            turned.append(view)
            view = sign[:, None] * view.T  # noqa: PLW2901
    middle = side * side // 2
    parted = np.partition(np.reshape(turned, (SYMMETRIES, -1)), (middle - 1, middle), axis=1)
    medians = (parted[:, middle - 1] + parted[:, middle]) / 2.0
    return tuple(str(imagehash.ImageHash(view > median)) for view, median in zip(turned, medians, strict=True))


@cache
def _cosines(side: int) -> np.ndarray:
    """The lowest waves of a cosine transform (DCT-II, not normalised, as `scipy.fft.dct`), float64 (side, 4 * side).

    Of all waves a hash needs a sixteenth; SciPy's transform makes the others too, and takes a quarter of a second to
    import in every process.
    """
    pixels = side * _PX_OF_BIT
    return 2.0 * np.cos(np.pi * np.outer(np.arange(side), 2.0 * np.arange(pixels) + 1.0) / (2.0 * pixels))


def symmetries(square: np.ndarray) -> list[np.ndarray]:
    """The eight views of a picture (H, W): the four quarter turns, then the same mirrored left to right."""
    mirrored = square[:, ::-1]
    return [np.rot90(square, turns) for turns in range(4)] + [np.rot90(mirrored, turns) for turns in range(4)]
