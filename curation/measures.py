"""What is measured of one frame: numbers with units over the valid area only, made in one pass, without a verdict."""

from dataclasses import dataclass, fields, replace

import cv2
import numpy as np

from curation import artefacts, focus, layout, signal, texture
from curation.canvas import canvas
from curation.colour import colour, is_gray
from curation.counts import measure_counts
from manifests.frames import Frame

# Raise it whenever a measurement, a fingerprint, the decoder or the no-data mask changes: frames measured under another
# version are measured again.
MEASURE_VERSION = "10"

_MIN_VALID_PIXELS, _MIN_SIDE_PX = 256, 8
_NOISE_FLOOR_DN = 0.25  # of eight-bit data
_TRUSTED_QUALITY = 75  # JPEGs below have lost the noise from pixel to pixel to their encoder


@dataclass(frozen=True)
class Measures:
    """One value per column of the group Measurements in manifests/schema.py, which gives unit and meaning.

    All but `coverage` are None where fewer than 256 pixels are valid, and in strips of less than 8 pixels.
    """

    coverage: float
    valid_rectangle_fraction: float | None = None
    void_line_length: float | None = None
    noise_sigma_dn: float | None = None
    noise_counts: float | None = None
    noise_coarse_dn: float | None = None
    chroma_noise_dn: float | None = None
    channel_noise_correlation: float | None = None
    detail_ratio: float | None = None
    edge_sharpness: float | None = None
    star_fwhm_px: float | None = None
    signal_to_noise: float | None = None
    signal_to_grain: float | None = None
    signal_fraction: float | None = None
    clipped_fraction: float | None = None
    clipped_blob_fraction: float | None = None
    channel_clipped_fraction: float | None = None
    black_fraction: float | None = None
    median_level_dn: float | None = None
    p999_level_dn: float | None = None
    dynamic_range_dn: float | None = None
    dynamic_range_counts: float | None = None
    level_skewness: float | None = None
    peaks_per_mpx: float | None = None
    round_peak_share: float | None = None
    dip_share: float | None = None
    chroma_p99_dn: float | None = None
    colourfulness_dn: float | None = None
    grayscale: bool | None = None
    colour_rank: float | None = None
    hue_spread: float | None = None
    pure_colour_fraction: float | None = None
    fake_green_dn: float | None = None
    speckle_per_mpx: float | None = None
    trail_length: float | None = None
    blockiness: float | None = None
    stripe_dn: float | None = None
    seam_dn: float | None = None
    flat_fraction: float | None = None
    mode_fraction: float | None = None
    line_length: float | None = None
    edge_p99_dn: float | None = None
    axis_edge_share: float | None = None
    border_fraction: float | None = None
    text_run: float | None = None
    text_letters: float | None = None
    largest_object_fraction: float | None = None
    texture_4px: float | None = None
    texture_8px: float | None = None
    texture_16px: float | None = None


MEASURE_NAMES = tuple(field.name for field in fields(Measures))


def measure(frame: Frame) -> Measures:
    """Measure a frame. Values under the no-data mask have no influence on the result.

    The noise from pixel to pixel, and what rests on it, is None for JPEGs below quality 75. Of counts everything is
    measured on their display but what `counts.Counts` has.
    """
    pixels = cv2.countNonZero(frame.valid.view(np.uint8))
    coverage = pixels / frame.valid.size
    if pixels < _MIN_VALID_PIXELS or min(frame.valid.shape) < _MIN_SIDE_PX:
        return Measures(coverage=coverage)
    view = canvas(frame)
    trusted = frame.jpeg_quality is None or frame.jpeg_quality >= _TRUSTED_QUALITY
    noise = signal.noise_sigma(view.gray, view.valid) if trusted else None
    halved = signal.coarse_noise_sigma(view, 2)
    light = signal.levels(view)
    clipped = signal.clipping(view)
    stars = signal.peaks(view)
    colours = colour(view)
    edge, axis_share = layout.edges(view)
    run, letters = layout.text(view)
    fine, middle, coarse = texture.octave_contrasts(view)
    shown = Measures(
        coverage=coverage,
        valid_rectangle_fraction=layout.valid_rectangle_fraction(view),
        void_line_length=layout.void_line_length(view),
        noise_sigma_dn=noise,
        noise_coarse_dn=signal.coarse_noise_sigma(view, 4),
        chroma_noise_dn=signal.chroma_noise_sigma(view),
        channel_noise_correlation=artefacts.channel_noise_correlation(view),
        detail_ratio=None if noise is None or halved is None else noise / max(halved, _NOISE_FLOOR_DN),
        edge_sharpness=focus.edge_sharpness(view),
        star_fwhm_px=focus.star_fwhm(view, stars.y, stars.x),
        signal_to_noise=None if noise is None else (light.p999 - light.median) / max(noise, _NOISE_FLOOR_DN),
        signal_to_grain=texture.signal_to_grain(view, light.p999 - light.median),
        signal_fraction=signal.signal_fraction(view),
        clipped_fraction=clipped.all_channels,
        clipped_blob_fraction=clipped.largest_blob,
        channel_clipped_fraction=clipped.any_channel,
        black_fraction=clipped.black,
        median_level_dn=light.median,
        p999_level_dn=light.p999,
        dynamic_range_dn=light.range_98,
        level_skewness=light.skewness,
        peaks_per_mpx=stars.per_mpx,
        round_peak_share=stars.round_share,
        dip_share=stars.dip_share,
        chroma_p99_dn=colours.chroma_p99_dn,
        colourfulness_dn=colours.colourfulness,
        grayscale=is_gray(colours),
        colour_rank=colours.rank,
        hue_spread=colours.hue_spread,
        pure_colour_fraction=colours.pure_fraction,
        fake_green_dn=colours.fake_green_dn,
        speckle_per_mpx=artefacts.speckle(view, noise),
        trail_length=artefacts.trail_length(view),
        blockiness=artefacts.blockiness(view),
        stripe_dn=artefacts.stripes(view, light.median),
        seam_dn=artefacts.seam(view),
        flat_fraction=layout.flat_fraction(view),
        mode_fraction=layout.mode_fraction(view),
        line_length=layout.line_length(view),
        edge_p99_dn=edge,
        axis_edge_share=axis_share,
        border_fraction=layout.border_fraction(view),
        text_run=float(run),
        text_letters=float(letters),
        largest_object_fraction=layout.largest_object_fraction(view),
        texture_4px=fine,
        texture_8px=middle,
        texture_16px=coarse,
    )
    if frame.linear is None:
        return shown
    return replace(shown, **vars(measure_counts(frame.linear, frame.valid, frame.saturated_at)))


def as_row(measures: Measures) -> dict[str, float | bool | None]:
    """The measures as columns of a manifest row."""
    return vars(measures).copy()
