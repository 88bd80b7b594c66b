"""The columns of a manifest row: name, type, unit and meaning, in one place.

Names in the first two groups are those of IVOA ObsCore 1.1 (https://www.ivoa.net/documents/ObsCore/) where it has
one: angles in ICRS degrees, times in MJD, wavelengths in metres. Our own columns carry their unit in the name.
"""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from manifests.errors import DeepfieldError

DType = Literal["string", "int64", "float64", "bool"]

# Raise it whenever a column comes, goes or changes its type: rows of other versions are completed when they are read.
SCHEMA_VERSION = 4


@dataclass(frozen=True)
class Column:
    """One column: every value of `string`, `float64` and nullable `bool` columns may be null, `int64` may not.

    `source` says where the method of a measurement comes from: a publication, or the module that is its own.
    """

    name: str
    dtype: DType
    unit: str
    meaning: str
    source: str = ""


def _text(name: str, meaning: str) -> Column:
    return Column(name, "string", "", meaning)


def _number(name: str, unit: str, meaning: str, source: str = "") -> Column:
    return Column(name, "float64", unit, meaning, source)


def _count(name: str, unit: str, meaning: str) -> Column:
    return Column(name, "int64", unit, meaning)


def _flag(name: str, meaning: str, source: str = "") -> Column:
    return Column(name, "bool", "", meaning, source)


IDENTITY = (
    _text("image_id", "SHA-256 of the original bytes, hexadecimal"),
    _text("source_name", "File name or dataset as the archive had it"),
    _text("product_id", "Archive and its name for the product, joined by a colon"),
    _text(
        "aliases",
        "Other names, comma-separated: products that turned out to be the same bytes, and what other sites call the "
        "picture or its release (stsci:2003-28-a), whatever their copy's size, crop or format",
    ),
    _text("release_id", "Release or visit the picture belongs to; pictures of one release share a split"),
)

OBSCORE = (
    _text("dataproduct_type", "Always image"),
    _number("calib_level", "", "ObsCore calibration level, 0 to 4"),
    _text("obs_collection", "Archive the picture came from"),
    _text("obs_id", "Name of the observation or dataset"),
    _text("obs_title", "Title the archive gives"),
    _text("obs_publisher_did", "Identifier of the dataset at its publisher"),
    _text("obs_creator_name", "Principal investigator or credit line"),
    _text("obs_release_date", "Date the picture became public, ISO 8601"),
    _text("access_url", "Address the bytes came from"),
    _text("access_format", "Media type by the bytes themselves"),
    _number("access_estsize", "kB", "Size of the file"),
    _text("target_name", "Object, as the archive names it"),
    _number("s_ra", "deg", "Right ascension of the centre, ICRS"),
    _number("s_dec", "deg", "Declination of the centre, ICRS"),
    _number("s_fov", "deg", "Diameter of the region covered"),
    _text("s_region", "Footprint as STC-S polygons"),
    _number("s_resolution", "arcsec", "Pixel scale of the original"),
    _number("t_min", "d", "Start of the first exposure, MJD"),
    _number("t_max", "d", "End of the last exposure, MJD"),
    _number("t_exptime", "s", "Total exposure time"),
    _number("em_min", "m", "Shortest wavelength"),
    _number("em_max", "m", "Longest wavelength"),
    _text("facility_name", "Telescope"),
    _text("instrument_name", "Instrument and detector"),
)

PROVENANCE = (
    _text("filters", "Filters, red to blue, separated by a slash"),
    _text("credit", "Credit line to print with the picture"),
    _text("licence", "Licence or usage note"),
    _text("image_type", "Type of picture in the archive's own words, such as Observation or Artwork"),
    _flag(
        "synthetic_green",
        "True where green is the mean of red and blue, as in pictures of two filters; null where that is not known",
    ),
    _number("partial_fraction", "", "Share of the pixels that only some of the filters saw; null where not known"),
    _text("rendering", "How a colour picture was made here of FITS files: method and its version"),
    _text("derived_from", "Images it was made of, red to blue: image_id, comma-separated"),
    _flag("synthetic_position", "True where the position is made up, as in a local archive of loose files"),
    _text("fetched_at", "When the bytes arrived, ISO 8601 UTC"),
)

FRAME = (
    _count("size_bytes", "byte", "Length of the original bytes"),
    _count("width_px", "px", "Width of the decoded frame; 0 where it could not be decoded"),
    _count("height_px", "px", "Height of the decoded frame; 0 where it could not be decoded"),
    _count("channels", "", "1 for grayscale files, 3 for colour"),
    _text(
        "domain",
        "stretched (display values) or linear (FITS counts; of these what is said to be of counts is, all else is of "
        "their stretch for display)",
    ),
    _count(
        "unread_images",
        "",
        "Further images of counts in the FITS file, as of other chips of the camera: the first alone is the frame",
    ),
    _number(
        "jpeg_quality",
        "",
        "IJG quality estimated from the quantisation tables; null where not JPEG",
        "tables of ITU-T T.81, annex K, as the IJG scales them",
    ),
)

_IMMERKAER = "Immerkaer 1996, CVIU 64, 300, with the median for the mean"

# All but `coverage` are null where fewer than 256 pixels are valid, and in strips of less than 8 pixels; no-data pixels
# have no influence on any of them.
MEASURES = (
    _number(
        "coverage",
        "",
        "Share of the pixels that are not no-data",
        "own, manifests/nodata.py; of FITS what the file itself says, and manifests/unreached.py",
    ),
    _number(
        "valid_rectangle_fraction",
        "",
        "Largest upright rectangle of valid pixels, over the frame",
        "own, curation/layout.py",
    ),
    _number(
        "void_line_length",
        "",
        "Straight no-data outlines along rows and columns, in sides of the frame: pages, panels, staircases",
        "own, curation/layout.py",
    ),
    _number(
        "noise_sigma_dn",
        "DN",
        "Noise of the luminance, 0 to 255 scale, by the median of second differences; null for JPEGs below quality 75",
        _IMMERKAER,
    ),
    _number(
        "noise_counts",
        "count",
        "Noise of the counts in the file's own unit, by the same median; null where not linear",
        _IMMERKAER,
    ),
    _number(
        "noise_coarse_dn",
        "DN",
        "The same after averaging 4 x 4 pixels: noise correlated by drizzling or enlarging",
        _IMMERKAER,
    ),
    _number(
        "chroma_noise_dn",
        "DN",
        "Noise of R-G and B-G at half size, in quadrature",
        _IMMERKAER,
    ),
    _number(
        "channel_noise_correlation",
        "",
        "Correlation of the grain of red and blue, -1 to 1: high where both come from one exposure or a drawing",
        "own, curation/artefacts.py, of Immerkaer's differences",
    ),
    _number(
        "detail_ratio",
        "",
        "Noise over noise at half size: 2 for white noise, low where enlarged or smoothed",
        "own, curation/measures.py, of Immerkaer's estimate",
    ),
    _number(
        "edge_sharpness",
        "",
        "Steepest gradients over those at half size: 1 for sharp edges, 0.5 where blurred or enlarged",
        "own, curation/focus.py",
    ),
    _number(
        "star_fwhm_px",
        "px",
        "Median full width at half maximum of the round peaks that are neither clipped nor crowded; null below 10; of "
        "counts, below 5",
        "own, curation/focus.py and counts.py",
    ),
    _number(
        "signal_to_noise",
        "",
        "99.9th percentile above the median over the noise: of luminance, or of counts where linear",
        "own, curation/measures.py and counts.py, of Immerkaer's estimate",
    ),
    _number(
        "signal_to_grain",
        "",
        "99.9th percentile above the median over the colour noise left after averaging 8 x 8 pixels: low where noise "
        "was enlarged",
        "own, curation/texture.py",
    ),
    _number(
        "signal_fraction",
        "",
        "Share of the valid area that stands out from the sky by five times the noise",
        "own, curation/signal.py",
    ),
    _number(
        "clipped_fraction",
        "",
        "Share of valid pixels, at half size, with all three channels at 240 or above; of counts those of all planes "
        "that SATURATE or a plateau far above the sky calls saturated",
        "own, curation/signal.py and counts.py",
    ),
    _number(
        "clipped_blob_fraction",
        "",
        "Largest connected blob of such pixels over the valid area",
        "own, curation/signal.py and counts.py",
    ),
    _number(
        "channel_clipped_fraction",
        "",
        "Share of valid pixels, at half size, with any channel at 240 or above; of counts those saturated in any plane",
        "own, curation/signal.py and counts.py",
    ),
    _number(
        "black_fraction",
        "",
        "Share of valid pixels, at half size, with all channels at 4 or below",
        "own, curation/signal.py",
    ),
    _number("median_level_dn", "DN", "Median luminance", "a quantile"),
    _number("p999_level_dn", "DN", "99.9th percentile of the luminance", "a quantile"),
    _number("dynamic_range_dn", "DN", "99th less 1st percentile of the luminance", "quantiles"),
    _number(
        "dynamic_range_counts",
        "count",
        "99th less 1st percentile of the counts in the file's own unit; null where not linear",
        "quantiles",
    ),
    _number(
        "level_skewness",
        "",
        "Skewness of the luminance: high for light on a dark sky, about 0 for photographs",
        "the third standardised moment",
    ),
    _number(
        "peaks_per_mpx",
        "1/Mpx",
        "Local maxima well above the noise, at working size (longer side 640 at most)",
        "difference of Gaussians, curation/signal.py",
    ),
    _number(
        "round_peak_share",
        "",
        "Share of these that are round as stars are; null below 10 peaks",
        "ratio of curvatures, Lowe 2004, IJCV 60, 91, section 4.1",
    ),
    _number(
        "dip_share",
        "",
        "Local minima over minima and maxima: low for light on a dark sky, half for photographs; null below 10",
        "own, curation/signal.py",
    ),
    _number(
        "chroma_p99_dn",
        "DN",
        "99th percentile of |R-G| + |G-B| at a quarter of the working size",
        "own, curation/colour.py",
    ),
    _number(
        "colourfulness_dn",
        "DN",
        "Colourfulness M3 of Hasler and Suesstrunk 2003, at a quarter of the working size",
        "Hasler and Suesstrunk 2003, SPIE 5007, 87",
    ),
    _flag("grayscale", "True where the frame has no colour, whatever its file mode", "own, curation/colour.py"),
    _number(
        "colour_rank",
        "",
        "Second over first singular value of the colour covariance; near 0 is one filter in one tint",
        "own, curation/colour.py",
    ),
    _number(
        "hue_spread",
        "",
        "Colour that is no function of lightness, over all colour; near 0 is one filter in any palette",
        "own, curation/colour.py",
    ),
    _number(
        "pure_colour_fraction",
        "",
        "Share of valid pixels that are lit and lack one channel wholly",
        "own, curation/colour.py",
    ),
    _number(
        "fake_green_dn",
        "DN",
        "Mean |G - (R+B)/2|; near 0 where green was made from two filters, or for gray",
        "own, curation/colour.py",
    ),
    _number(
        "speckle_per_mpx",
        "1/Mpx",
        "Single pixels far above all eight neighbours in a channel: hot pixels, tracks of cosmic rays; of counts all "
        "pixels that are sharper than stars",
        "after van Dokkum 2001, PASP 113, 1420",
    ),
    _number(
        "trail_length",
        "",
        "Longest straight bright streak at any angle, over the longer side: satellites, spikes",
        "Hough transform of Matas et al. 2000, CVIU 78, 119",
    ),
    _number(
        "blockiness",
        "",
        "Luminance steps across 8 px blocks over steps elsewhere; 1 where no JPEG grid is seen",
        "after Wang, Sheikh and Bovik 2002, ICIP, 477",
    ),
    _number(
        "stripe_dn",
        "DN",
        "Typical difference of the mean of a row or column from its neighbours': banding",
        "own, curation/artefacts.py",
    ),
    _number(
        "seam_dn",
        "DN",
        "Largest luminance jump along one whole row or column: panels, chip seams",
        "own, curation/artefacts.py",
    ),
    _number(
        "flat_fraction",
        "",
        "Share of valid pixels that are lit and do not differ from their neighbours",
        "own, curation/layout.py",
    ),
    _number("mode_fraction", "", "Share of valid pixels in the most common lit colour", "own, curation/layout.py"),
    _number(
        "line_length", "", "Straight edges along rows and columns, in sides of the frame", "own, curation/layout.py"
    ),
    _number("edge_p99_dn", "DN/px", "99th percentile of the luminance gradient", "Sobel's gradient"),
    _number(
        "axis_edge_share",
        "",
        "Share of strong gradients along rows and columns; 0.08 by chance",
        "own, curation/layout.py, of Sobel's gradient",
    ),
    _number(
        "border_fraction",
        "",
        "Depth of the one-coloured margins over height plus over width",
        "own, curation/layout.py",
    ),
    _number("text_run", "", "Longest row of letter-like shapes", "own, curation/layout.py"),
    _number("text_letters", "", "Letter-like shapes in rows of four and more", "own, curation/layout.py"),
    _number(
        "largest_object_fraction",
        "",
        "Largest connected area 25 DN above the sky, over the valid area: planets, people, logos",
        "own, curation/layout.py",
    ),
    _number(
        "texture_4px",
        "",
        "Contrast at 4 px over that at 8 px, natural logarithm, on the frame reduced to 512 px",
        "bands of Burt and Adelson 1983, IEEE Trans. Comm. 31, 532",
    ),
    _number("texture_8px", "", "The same for 8 over 16 px", "as texture_4px"),
    _number("texture_16px", "", "The same for 16 over 32 px", "as texture_4px"),
)

FINGERPRINTS = (
    _text("pixel_sha256", "SHA-256 of the decoded pixels and their shape"),
    _text("phash64", "64-bit DCT perceptual hash of the valid area, 16 hexadecimal digits"),
    _text("phash256", "256-bit DCT perceptual hash of the valid area, 64 hexadecimal digits"),
)

VERDICT = (
    _text("duplicate_of", "image_id of the kept frame this one repeats, or null"),
    _text("duplicate_kind", "exact (same pixels) or same_rendering, or null"),
    _text(
        "relations",
        "Pictures that show the same, as relation:image_id, comma-separated, closest first, at most eight of each: "
        "exact and same_rendering, of which one is kept; same_sky and same_object (one name), which only share a group",
    ),
    _text("group_id", "Smallest image_id of the frames that must share a split"),
    _text("split", "train, val, test or none"),
    _text("verdict", "accept, review or reject, by the policy"),
    _text("reasons", "Rules that decided, comma-separated"),
    _text("rule_values", "What each rule measured against its threshold, readable"),
    _number("doubt", "", "How undecided the policy is: 0 next to a sure verdict, 1 halfway between accept and reject"),
    _text("decision", "accept or reject where a person decided, else null"),
    _text("decided_by", "Who decided"),
    _text("decided_at", "When, ISO 8601 UTC"),
    _text("policy_digest", "SHA-256 of the policy that gave the verdict"),
    _text("measure_version", "Version of the measurements"),
)

GROUPS: tuple[tuple[str, tuple[Column, ...]], ...] = (
    ("Identity", IDENTITY),
    ("ObsCore", OBSCORE),
    ("Provenance", PROVENANCE),
    ("Frame", FRAME),
    ("Measurements", MEASURES),
    ("Fingerprints", FINGERPRINTS),
    ("Verdict", VERDICT),
)

COLUMNS: tuple[Column, ...] = tuple(column for _, group in GROUPS for column in group)

_PANDAS = {"string": "object", "int64": "int64", "float64": "float64", "bool": "boolean"}


def conform(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with every column of the schema, in its order and type; missing columns become null.

    Raises:
        DeepfieldError: a column is unknown, a value does not fit its type, or `image_id` is missing or repeated.
    """
    unknown = sorted(set(rows.columns) - {column.name for column in COLUMNS})
    if unknown:
        raise DeepfieldError(f"The manifest has no column {unknown[0]!r}: add it to manifests/schema.py first.")
    out = {}
    for column in COLUMNS:
        values = rows[column.name] if column.name in rows else pd.Series([None] * len(rows), index=rows.index)
        out[column.name] = _typed(values, column)
    frame = pd.DataFrame(out).reset_index(drop=True)
    if frame["image_id"].isna().any() or frame["image_id"].duplicated().any():
        raise DeepfieldError("Every manifest row needs an image_id of its own; one is missing or repeated.")
    return frame


def complete(rows: pd.DataFrame, columns: list[str] | None = None) -> pd.DataFrame:
    """Rows of a snapshot that an earlier version wrote, with null columns for those that it did not have yet.

    `columns` are the ones wanted, all of the schema by default. Columns that this version does not know stay.
    """
    wanted = [column for column in COLUMNS if columns is None or column.name in columns]
    missing = [column for column in wanted if column.name not in rows]
    if not missing:
        return rows
    nulls = {column.name: _typed(pd.Series([None] * len(rows), index=rows.index), column) for column in missing}
    whole = rows.assign(**nulls)
    known = [column.name for column in wanted]
    return whole[[*known, *(name for name in rows.columns if name not in known)]]


def _typed(values: pd.Series, column: Column) -> pd.Series:
    try:
        if column.dtype == "string":
            known = values.notna()
            texts = [str(value) if there else None for value, there in zip(values, known, strict=True)]
            return pd.Series(texts, index=values.index, dtype=object)
        if column.dtype == "int64":
            whole = pd.to_numeric(values, errors="raise").fillna(0)
            if (whole != whole.round()).any():
                raise ValueError("not a whole number")
            return whole.astype("int64")
        return values.astype(_PANDAS[column.dtype])
    except (TypeError, ValueError) as error:
        raise DeepfieldError(f"Column {column.name} must be {column.dtype}: {error}.") from error


def markdown() -> str:
    """The documentation of all columns as Markdown tables, one per group."""
    parts = []
    for title, group in GROUPS:
        sourced = any(column.source for column in group)
        head = ("column", "type", "unit", "meaning", *(["source"] if sourced else []))
        parts.append(f"## {title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
        for c in group:
            told = (f"`{c.name}`", c.dtype, c.unit, c.meaning.replace("|", "&#124;"), *([c.source] if sourced else []))
            parts.append(f"| {' | '.join(told)} |")
        parts.append("")
    return "\n".join(parts)
