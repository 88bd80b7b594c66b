"""What is measured of one frame: numbers with units over the valid area only, made in one pass, without a verdict."""

from dataclasses import asdict, dataclass, fields

import numpy as np

from curation import layout, signal
from curation.canvas import canvas
from curation.colour import colour, is_gray
from manifests.frames import Frame

# Raise it whenever a measurement, a fingerprint, the decoder or the no-data mask changes: frames measured under another
# version are measured again.
MEASURE_VERSION = "2"

_MIN_VALID_PIXELS = 256
_NOISE_FLOOR_DN = 0.25  # of eight-bit data


@dataclass(frozen=True)
class Measures:
    """One value per column of the group Measurements in manifests/schema.py, which gives unit and meaning.

    All but `coverage` are None where fewer than 256 pixels are valid.
    """

    coverage: float
    void_line_length: float | None = None
    noise_sigma_dn: float | None = None
    noise_coarse_dn: float | None = None
    chroma_noise_dn: float | None = None
    detail_ratio: float | None = None
    signal_to_noise: float | None = None
    signal_fraction: float | None = None
    clipped_fraction: float | None = None
    clipped_blob_fraction: float | None = None
    channel_clipped_fraction: float | None = None
    black_fraction: float | None = None
    median_level_dn: float | None = None
    p999_level_dn: float | None = None
    peaks_per_mpx: float | None = None
    round_peak_share: float | None = None
    chroma_p99_dn: float | None = None
    grayscale: bool | None = None
    colour_rank: float | None = None
    hue_spread: float | None = None
    pure_colour_fraction: float | None = None
    fake_green_dn: float | None = None
    flat_fraction: float | None = None
    mode_fraction: float | None = None
    line_length: float | None = None
    edge_p99_dn: float | None = None
    axis_edge_share: float | None = None
    border_fraction: float | None = None
    text_run: float | None = None


MEASURE_NAMES = tuple(field.name for field in fields(Measures))


def measure(frame: Frame) -> Measures:
    """Measure a frame. Values under the no-data mask have no influence on the result."""
    coverage = float(frame.valid.mean())
    if frame.valid.sum() < _MIN_VALID_PIXELS:
        return Measures(coverage=coverage)
    view = canvas(frame)
    noise = signal.noise_sigma(view.gray, view.valid)
    halved = signal.coarse_noise_sigma(view, 2)
    median, top = signal.levels(view)
    clipped = signal.clipping(view)
    stars = signal.peaks(view)
    colours = colour(view)
    edge, axis_share = layout.edges(view)
    return Measures(
        coverage=coverage,
        void_line_length=layout.void_line_length(view),
        noise_sigma_dn=noise,
        noise_coarse_dn=signal.coarse_noise_sigma(view, 4),
        chroma_noise_dn=signal.chroma_noise_sigma(view),
        detail_ratio=None if noise is None or halved is None else noise / max(halved, _NOISE_FLOOR_DN),
        signal_to_noise=_signal_to_noise(frame, noise, median, top),
        signal_fraction=signal.signal_fraction(view),
        clipped_fraction=clipped.all_channels,
        clipped_blob_fraction=clipped.largest_blob,
        channel_clipped_fraction=clipped.any_channel,
        black_fraction=clipped.black,
        median_level_dn=median,
        p999_level_dn=top,
        peaks_per_mpx=stars.per_mpx,
        round_peak_share=stars.round_share,
        chroma_p99_dn=colours.chroma_p99_dn,
        grayscale=is_gray(colours),
        colour_rank=colours.rank,
        hue_spread=colours.hue_spread,
        pure_colour_fraction=colours.pure_fraction,
        fake_green_dn=colours.fake_green_dn,
        flat_fraction=layout.flat_fraction(view),
        mode_fraction=layout.mode_fraction(view),
        line_length=layout.line_length(view),
        edge_p99_dn=edge,
        axis_edge_share=axis_share,
        border_fraction=layout.border_fraction(view),
        text_run=float(layout.text_run(view)),
    )


def as_row(measures: Measures) -> dict[str, float | bool | None]:
    """The measures as columns of a manifest row."""
    return asdict(measures)


def _signal_to_noise(frame: Frame, noise: float | None, median: float, top: float) -> float | None:
    """Height of the 99.9th percentile above the median in units of the noise: of counts where there are counts."""
    if frame.linear is not None:
        sigma = signal.noise_sigma(frame.linear, frame.valid & np.isfinite(frame.linear))
        counts = frame.linear[frame.valid & np.isfinite(frame.linear)]
        if not sigma:
            return None
        low, high = np.percentile(counts, [50.0, 99.9])
        return float((high - low) / sigma)
    return None if noise is None else (top - median) / max(noise, _NOISE_FLOOR_DN)
