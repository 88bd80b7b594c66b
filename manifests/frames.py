"""From bytes to a frame: an 8-bit RGB picture with its no-data mask, decoded without trusting the file."""

import gzip
import hashlib
import io
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from manifests.fitsfile import UndecodableError, in_all_planes, no_pixel, open_science
from manifests.jpegdata import lacks_data
from manifests.media import describe, sniff
from manifests.nodata import valid_mask
from manifests.planes import channel_medians, luma_within

MAX_PIXELS = 400_000_000
_MAX_GZIP_RATIO = 200
_PILLOW_FORMAT = {"image/jpeg": "JPEG", "image/png": "PNG", "image/tiff": "TIFF"}
_PNG_END = b"IEND\xaeB`\x82"  # the last chunk's name and checksum; Pillow does not miss it
_PNG_COLOUR_TYPE, _PNG_GRAY_ALPHA = 25, 4  # the place in the file, and the value, of the PNG specification, 11.2.1
_BACKDROP_SAMPLES = 10_000  # pixels are enough for the colour of no-data
_ROWS_AT_ONCE = 256  # of a FITS image: a frame of the largest camera takes a gigabyte otherwise

# Sizes are checked in _decode_picture against our own limit; Pillow's would warn about every mosaic.
Image.MAX_IMAGE_PIXELS = None
# Damage in metadata is no concern of a reader, damage in pixels raises
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")

# Text chunk of a PNG whose alpha channel says which pixels all of its filters saw (255), some (128), or none (0).
COVERAGE_CHUNK = ("Coverage", "alpha 255: all bands, 128: some bands, 0: no band")

# The IJG luminance table at quality 50 (ITU-T T.81, annex K), summed: what quality scales.
_IJG_LUMINANCE_SUM = 3681


@dataclass(frozen=True)
class Frame:
    """A decoded picture.

    `rgb` is uint8 (H, W, 3), display values; `valid` is bool (H, W), False where there is no data.
    `masked` says whether an alpha channel makes some of it no-data. `linear` holds the counts of a FITS image as
    float32, (H, W) or (3, H, W), NaN where there are none, else None; `saturated_at` is the count from which on its
    file calls them saturated, and `unread_images` how many other images of counts that has, such as those of a
    camera's other chips.
    """

    rgb: np.ndarray
    valid: np.ndarray
    channels: int
    domain: str
    media_type: str
    linear: np.ndarray | None
    jpeg_quality: int | None
    masked: bool = False
    unread_images: int = 0
    saturated_at: float | None = None

    @property
    def height(self) -> int:
        """Rows."""
        return self.rgb.shape[0]

    @property
    def width(self) -> int:
        """Columns."""
        return self.rgb.shape[1]

    @cached_property
    def backdrop(self) -> np.ndarray | None:
        """The median colour of the valid pixels, uint8 (3,), for no-data; None where all pixels are valid, or none is.

        Of large frames every second, third or so row and column speaks for it.
        """
        known = cv2.countNonZero(self.valid.view(np.uint8))
        if known in (0, self.valid.size):
            return None
        step = max(1, int(np.sqrt(known / _BACKDROP_SAMPLES)))
        median, number = channel_medians(self.rgb, self.valid, step)
        return median if number else channel_medians(self.rgb, self.valid, 1)[0]

    @cached_property
    def filled(self) -> np.ndarray:
        """`rgb` with no-data in the colour of `backdrop`, so that nothing shows of what was there."""
        return on_backdrop(self.rgb, self.valid, self.backdrop)

    @cached_property
    def gray(self) -> np.ndarray:
        """Luma (ITU-R BT.601) of `filled`, uint8 (H, W)."""
        if self.backdrop is None:
            return luma(self.rgb)
        level = luma(self.backdrop.reshape(1, 1, 3))[0, 0]
        return luma_within(np.ascontiguousarray(self.rgb), self.valid, level)

    @cached_property
    def box(self) -> tuple[slice, slice] | None:
        """Rows and columns of the bounding box of the valid pixels; None where there are none."""
        x, y, width, height = cv2.boundingRect(self.valid.view(np.uint8))
        return np.s_[y : y + height, x : x + width] if width else None

    @cached_property
    def half_gray(self) -> np.ndarray:
        """`gray` within `box` averaged over 2 x 2 pixels, uint8; a last row or column that is alone is left out."""
        return halved(self.gray if self.box is None else self.gray[self.box])


def decode(source: bytes | Path, max_pixels: int = MAX_PIXELS) -> Frame:
    """Decode JPEG, PNG, TIFF or FITS (gzip too) bytes, or the file of that name.

    16-bit pictures are scaled to 8 bits, palettes and CMYK become RGB, EXIF orientation is applied, transparent
    pixels count as no-data; of a composite (`COVERAGE_CHUNK`) also those that only some filters saw, whose colour is
    none of the sky's. FITS counts are stretched for display by `stretch`, rows flipped so that north-up
    images show north up.

    Raises:
        UndecodableError: not a picture (`not_a_picture`), cut short or damaged (`corrupt`), or larger than
            `max_pixels` (`too_large`).
    """
    try:
        data = source if isinstance(source, bytes) else _read(source)
        media_type = sniff(data[:16])
        if media_type == "image/fits":
            return _decode_fits(source, max_pixels)
    except OSError as error:
        raise UndecodableError("corrupt", f"{error.filename} cannot be read: {error.strerror}.") from error
    if media_type == "application/gzip":
        data = _gunzip(data, max_pixels)
        if sniff(data[:16]) != "image/fits":
            raise UndecodableError("not_a_picture", f"The gzip file holds {describe(data[:256])}, not FITS.")
        return _decode_fits(data, max_pixels)
    if media_type is None:
        raise UndecodableError("not_a_picture", f"This is {describe(data[:256])}, not a JPEG, PNG, TIFF or FITS file.")
    return _decode_picture(data, media_type, max_pixels)


def pixel_digest(frame: Frame) -> str:
    """SHA-256 of the decoded pixels and their shape: equal for files that differ in metadata only.

    Of FITS the counts, as many different ones are displayed alike; and the mask where an alpha channel makes it, as
    elsewhere it follows from the pixels.
    """
    pixels = frame.rgb if frame.linear is None else frame.linear
    digest = hashlib.sha256(repr(pixels.shape).encode())
    if frame.linear is not None:
        digest.update(pixels.dtype.str.encode())
    digest.update(np.ascontiguousarray(pixels).data)
    if frame.masked:
        digest.update(np.packbits(frame.valid).data)
    return digest.hexdigest()


def luma(rgb: np.ndarray) -> np.ndarray:
    """Luma of ITU-R BT.601, uint8 (H, W), of an RGB picture, uint8 (H, W, 3)."""
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


def halved(plane: np.ndarray) -> np.ndarray:
    """A uint8 plane (H, W) averaged over 2 x 2 pixels; a last row or column that is alone is left out."""
    height, width = plane.shape[0] // 2, plane.shape[1] // 2
    return cv2.resize(plane[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)


def on_backdrop(picture: np.ndarray, valid: np.ndarray, colour: np.ndarray | None) -> np.ndarray:
    """A uint8 picture (H, W) or (H, W, 3) with one colour, (1,) or (3,), where a mask (H, W) says no; None changes
    nothing.
    """
    if colour is None:
        return picture
    out = np.empty_like(picture)
    corner = picture.shape[1] - 1, picture.shape[0] - 1
    cv2.rectangle(out, (0, 0), corner, colour.tolist(), cv2.FILLED)
    return cv2.copyTo(picture, valid.view(np.uint8), out)


def stretch(counts: np.ndarray) -> np.ndarray:
    """Asinh stretch of linear counts (H, W) for display, uint8; blank pixels become 0.

    Limits at the 0.5 and 99.5 percentiles with the softening of Lupton et al. 2004 (PASP 116, 133), Q = 3.
    """
    finite = np.isfinite(counts)
    if not finite.any():
        return np.zeros(counts.shape, np.uint8)
    low, middle, high = np.percentile(counts[finite], [0.5, 50.0, 99.5], overwrite_input=True)
    # an empty field must stay dark: do not stretch its noise to white
    high = max(high, middle + 5.0 * (middle - low))
    span = high - low if high > low else 1.0
    shown = np.empty(counts.shape, np.uint8)
    for row in range(0, len(counts), _ROWS_AT_ONCE):
        part = slice(row, row + _ROWS_AT_ONCE)
        scaled = np.where(finite[part], np.clip((counts[part] - low) / span, 0.0, None), 0.0)
        bright = np.arcsinh(3.0 * scaled) / np.arcsinh(3.0)
        shown[part] = (np.clip(bright, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return shown


def _read(path: Path) -> bytes:
    """The bytes of a file; of FITS its first ones, as an exposure is read block by block."""
    with path.open("rb", buffering=0) as handle:
        head = handle.read(16)
        if sniff(head) == "image/fits":
            return head
        handle.seek(0)
        return handle.read()


def _gunzip(data: bytes, max_pixels: int) -> bytes:
    limit = min(max_pixels * 8, len(data) * _MAX_GZIP_RATIO)
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as handle:
            out = handle.read(limit + 1)
    except (EOFError, OSError) as error:
        raise UndecodableError("corrupt", f"The gzip file is cut short or damaged: {error}.") from error
    if len(out) > limit:
        raise UndecodableError("too_large", "The gzip file unpacks to far more than a picture of its size would.")
    return out


def _decode_picture(data: bytes, media_type: str, max_pixels: int) -> Frame:
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        # none of the formats that Pillow also reads, and that are not looked after as these are
        image = Image.open(io.BytesIO(data), formats=[_PILLOW_FORMAT[media_type]])
        if image.width * image.height > max_pixels:
            raise UndecodableError(
                "too_large",
                f"The picture has {image.width}x{image.height} pixels, more than the limit of {max_pixels} "
                "(DEEPFIELD_MAX_PIXELS).",
            )
        quality = _jpeg_quality(image) if media_type == "image/jpeg" else None
        composite = media_type == "image/png" and image.info.get(COVERAGE_CHUNK[0]) == COVERAGE_CHUNK[1]
        if media_type == "image/jpeg":
            plain = _plain_jpeg(data, image)
            if plain is not None:
                return Frame(plain, valid_mask(plain), 3, "stretched", media_type, None, quality)
        image.load()
        if media_type == "image/jpeg" and lacks_data(data, image):
            raise UndecodableError("corrupt", "The picture lacks the data of its lower part.")
        if media_type == "image/png" and _PNG_END not in data:
            raise UndecodableError("corrupt", "The picture is cut short: its last bytes are missing.")
        ImageOps.exif_transpose(image, in_place=True)
        rgb, alpha, channels = _to_rgb(image)
        if media_type == "image/png" and data[_PNG_COLOUR_TYPE] == _PNG_GRAY_ALPHA:
            channels = 1  # of 16 bits a channel Pillow makes RGBA
    except UndecodableError:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        # Pillow reports damage by any of these, depending on the format
        raise UndecodableError("corrupt", f"The picture is cut short or damaged: {error}.") from error
    if alpha is None:
        return Frame(rgb, valid_mask(rgb), channels, "stretched", media_type, None, quality)
    opaque = alpha == 255 if composite else alpha > 0
    valid = opaque if composite else valid_mask(rgb) & opaque
    return Frame(rgb, valid, channels, "stretched", media_type, None, quality, masked=not opaque.all())


def _plain_jpeg(data: bytes, image: Image.Image) -> np.ndarray | None:
    """The pixels of an RGB JPEG, decoded straight into an array: a quarter less work than by way of Pillow.

    None for one that is progressive or turned, and for one of which libjpeg as much as warns: Pillow and `lacks_data`
    find out what it is worth.
    """
    turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
    if image.mode != "RGB" or turned or image.info.get("progressive"):
        return None
    try:
        return simplejpeg.decode_jpeg(data)
    except ValueError:
        return None


def _to_rgb(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None, int]:
    alpha = np.asarray(image.convert("RGBA"))[..., 3] if image.has_transparency_data else None
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        top = 65535.0 if image.mode.startswith("I;16") or values.max(initial=0) > 255 else 255.0
        if image.mode == "F" and values.max(initial=0) <= 1.0:
            top = 1.0
        gray = (np.clip(np.nan_to_num(values) / top, 0, 1) * 255 + 0.5).astype(np.uint8)
        if alpha is not None:  # Pillow compares the transparent level with 8 bits
            alpha = np.where(values == image.info["transparency"], 0, 255).astype(np.uint8)
        return np.repeat(gray[..., None], 3, axis=2), alpha, 1
    channels = 1 if image.mode in ("1", "L", "LA") else 3
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB")), alpha, channels


def _jpeg_quality(image: Image.Image) -> int | None:
    """Quality on the IJG scale whose luminance table has the same sum as this file's."""
    tables = getattr(image, "quantization", None)
    if not tables:
        return None
    total = sum(tables[min(tables)])
    scale = 100.0 * total / _IJG_LUMINANCE_SUM
    quality = (200.0 - scale) / 2.0 if scale <= 100.0 else 5000.0 / scale
    return int(min(100, max(1, round(quality))))


def _decode_fits(source: bytes | Path, max_pixels: int) -> Frame:
    with open_science(source, max_pixels) as science:
        values = np.empty(science.shape, np.float32)
        row = 0
        for block in science.blocks():
            values[..., row : row + block.shape[-2], :] = block
            row += block.shape[-2]
        return replace(fits_frame(values), unread_images=science.unread_images, saturated_at=science.saturated_at)


def fits_frame(values: np.ndarray) -> Frame:
    """Frame of FITS counts: (H, W), or (3, H, W) for colour planes R, G, B; the first row is the bottom.

    Raises:
        UndecodableError: another shape, or no pixel that has data in all planes.
    """
    if values.ndim == 3 and values.shape[0] == 1:
        values = values[0]
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[0] != 3):
        raise UndecodableError("not_a_picture", f"The FITS image has shape {values.shape}; expected two axes.")
    values = values[..., ::-1, :]
    valid = in_all_planes(values)
    if not valid.any():
        raise no_pixel()
    if values.ndim == 3:
        rgb = np.stack([stretch(plane) for plane in values], axis=2)
        return Frame(rgb, valid, 3, "linear", "image/fits", values, None)
    gray = stretch(values)
    return Frame(np.repeat(gray[..., None], 3, axis=2), valid, 1, "linear", "image/fits", values, None)
