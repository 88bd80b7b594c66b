"""The judge of near duplicates: can one picture be laid over the other, and does it then look the same?

Perceptual hashes of star fields collide, so a hash only proposes. A pair counts when the local features of both agree
on one affine map: ORB (Rublee et al. 2011, ICCV, 2564) with RANSAC (Fischler and Bolles 1981, CACM 24, 381).
"""

from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from scipy.stats import rankdata

from curation.features import Features
from curation.marks import marks

# Raise it whenever the features or the judge change: pairs judged under another version are judged again.
JUDGE_VERSION = "5"

Relation = Literal["same_rendering", "same_sky", "none"]
Side = Literal["a", "b", "none"]

_RATIO = 0.85  # of the nearest to the second nearest descriptor (Lowe 2004, IJCV 60, section 7.1)
_MAX_HAMMING = 64  # of 256 bits
_REPROJECTION_PX = 4.0
_QUICK_FEATURES, _QUICK_INLIERS = 500, 5
_CELL_PX = 3.0  # several features on one spot bear one witness
_SEED = 1_000_003

# Measured on 30 real pairs, 60 real frames in 11 changed versions each, and 7,500 ordered pairs of other frames with
# near hashes: twins have 15 inliers at least and correlations of 0.957 (lightness) and 0.969 (colour); unrelated pairs
# have 9 inliers at most; one sky in another processing reaches 0.932 in colour.
MIN_INLIERS = 12
MIN_SKY_INLIERS = 18  # where only the geometry speaks
MAX_STRETCH = 1.35  # longer over shorter axis: no archive distorts a picture more
MIN_LIGHTNESS_CORRELATION = 0.95
MIN_COLOUR_CORRELATION = 0.95
MIN_OVERLAP = 0.3  # of the larger picture: a smaller crop is a picture of its own
# Of the smaller picture: two crops of one picture lie mostly within each other (30 real pairs: 0.925 and more), two
# pointings at one sky need not.
MIN_CONTAINMENT = 0.7
# Smooth galaxies of one shape fit each other in everything but their stars, and their chips' borders give inliers: 0.14
# is the median of their blocks, against 0.92 and more of changed copies and 0.98 and more of real pairs.
MIN_DETAIL_CORRELATION = 0.7
# Two processings of the same exposures differ in colour and in detail: two such pairs of real frames have
# 0.961 and 0.979 in colour and 0.92 in detail, real pairs whose colours differ as much have 0.98 in detail and more.
SURE_COLOUR_CORRELATION = 0.99
MIN_DETAIL_IN_OTHER_COLOURS = 0.95
_FAINT_CHROMA_DN = 1.5
_CHROMA_BLUR_PX = 3.0
_FINE_PX, _BROAD_PX = 1.2, 5.0  # between these, in pixels of the thumbnail, lies detail
_BLOCK_PX = 32
_DETAIL_DN = 1.0  # scatter of a block in which there is any
_FEWEST_BLOCKS = 6
_MIN_ALIGNED_PX = 400
_LABELS = 0.1  # of the common area
# Of 47 real pairs that are one picture twice, 42 bear no marks and have 29 px at most, the other five 318 and more.
MIN_MARKS_PX = 36
_MARKED = 3.0  # times as much as the other: of two annotated pictures neither is the clean one


@dataclass(frozen=True)
class Judgement:
    """How well two frames, `a` and `b`, fit each other.

    `inliers` counts distinct places that agree on the map from a to b. `overlap` is the common area over the larger
    picture's, `containment` over the smaller one's, 0 to 1; the correlations compare lightness (rank or linear, the
    better), colour and fine detail in the common area and are 0 where there is no map. `magnification` is how many
    pixels of b's frame go on one of a's, along a side; 0 where there is no map. `marks_a` and `marks_b` are the length
    of what is drawn on one of them alone, pixels of a picture of at most 1,024; 0 where they are not one picture.
    """

    inliers: int
    overlap: float
    containment: float
    lightness_correlation: float
    colour_correlation: float
    detail_correlation: float
    magnification: float = 0.0
    marks_a: float = 0.0
    marks_b: float = 0.0

    @property
    def annotated(self) -> Side:
        """Which of the two bears letters, lines or boxes that the other lacks."""
        fewer, more = sorted((self.marks_a, self.marks_b))
        if more < MIN_MARKS_PX or more < _MARKED * fewer:
            return "none"
        return "a" if self.marks_a > self.marks_b else "b"

    @property
    def relation(self) -> Relation:
        """`same_rendering`: one picture twice, a crop perhaps; `same_sky`: one place in another processing."""
        if all(value >= least for _, value, least in self._needs):
            return "same_rendering"
        return "same_sky" if self.inliers >= MIN_SKY_INLIERS else "none"

    def describe(self) -> str:
        """Each value against the least that one picture twice has, as people read it."""
        return ", ".join(
            f"{name} {value:.3g} {'>=' if value >= least else '<'} {least:g}" for name, value, least in self._needs
        )

    @property
    def _needs(self) -> tuple[tuple[str, float, float], ...]:
        """What one picture twice needs: name, value, least."""
        like = self.colour_correlation >= SURE_COLOUR_CORRELATION
        return (
            ("inliers", self.inliers, MIN_INLIERS),
            ("lightness_correlation", self.lightness_correlation, MIN_LIGHTNESS_CORRELATION),
            ("colour_correlation", self.colour_correlation, MIN_COLOUR_CORRELATION),
            (
                "detail_correlation",
                self.detail_correlation,
                MIN_DETAIL_CORRELATION if like else MIN_DETAIL_IN_OTHER_COLOURS,
            ),
            ("overlap", self.overlap, MIN_OVERLAP),
            ("containment", self.containment, MIN_CONTAINMENT),
        )


NO_MATCH = Judgement(0, 0.0, 0.0, 0.0, 0.0, 0.0)


def judge(a: Features, b: Features) -> Judgement:
    """Judge a pair as it lies: to find mirror images, give the features of a mirrored frame.

    The result does not depend on earlier calls.
    """
    few = slice(_QUICK_FEATURES)
    quick = _fit(a.points[few], a.descriptors[few], b.points[few], b.descriptors[few])
    if quick is None or quick[1] < _QUICK_INLIERS:
        return NO_MATCH
    found = _fit(a.points, a.descriptors, b.points, b.descriptors)
    if found is None or _stretch(found[0]) > MAX_STRETCH:
        return NO_MATCH
    matrix, inliers = found
    if inliers < MIN_INLIERS:
        return replace(NO_MATCH, inliers=inliers)
    # a label is easier told from the sky on the picture that is laid below, so both ways are tried
    ways = (_compare(a, b, matrix), _compare(b, a, cv2.invertAffineTransform(matrix)))
    magnification = float(np.sqrt(abs(np.linalg.det(matrix[:, :2])))) * a.scale / b.scale
    best = max(ways, key=lambda way: way.lightness_correlation)
    judged = replace(best, inliers=inliers, magnification=magnification)
    if judged.relation != "same_rendering":
        return judged
    marks_a, marks_b = marks(a, b, matrix)
    return replace(judged, marks_a=marks_a, marks_b=marks_b)


def _fit(
    points_a: np.ndarray, descriptors_a: np.ndarray, points_b: np.ndarray, descriptors_b: np.ndarray
) -> tuple[np.ndarray, int] | None:
    """Affine map from a to b, float64 (2, 3), with the number of distinct places that agree; None without one."""
    if len(points_a) < 8 or len(points_b) < 8:
        return None
    pairs = [
        (first.queryIdx, first.trainIdx)
        for first, second in cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(descriptors_a, descriptors_b, k=2)
        if first.distance <= _MAX_HAMMING and first.distance < _RATIO * second.distance
    ]
    if len(pairs) < 4:
        return None
    index = np.array(pairs)
    source, target = points_a[index[:, 0]], points_b[index[:, 1]]
    cv2.setRNGSeed(_SEED)
    matrix, agrees = cv2.estimateAffine2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=_REPROJECTION_PX, maxIters=2000, confidence=0.995
    )
    if matrix is None:
        return None
    inside = agrees.ravel() > 0
    places = (len(np.unique((side[inside] / _CELL_PX).astype(np.int32), axis=0)) for side in (source, target))
    return matrix, min(places)


def _stretch(matrix: np.ndarray) -> float:
    """Longer over shorter axis of an affine map."""
    axes = np.linalg.svd(matrix[:, :2], compute_uv=False)
    return float(axes[0] / max(axes[1], 1e-9))


def _compare(a: Features, b: Features, matrix: np.ndarray) -> Judgement:
    """How a's thumbnail fits when it is laid over b's, without inliers."""
    into = np.diag([b.thumb_scale, b.thumb_scale, 1.0]) @ np.vstack([matrix, [0, 0, 1]])
    into = (into @ np.diag([1 / a.thumb_scale, 1 / a.thumb_scale, 1.0]))[:2]
    height, width = b.thumb_valid.shape
    laid = cv2.warpAffine(a.thumb, into, (width, height), flags=cv2.INTER_LINEAR)
    covered = cv2.warpAffine(a.thumb_valid.view(np.uint8) * 255, into, (width, height)) > 250
    common = covered & b.thumb_valid
    if common.sum() < _MIN_ALIGNED_PX:
        return NO_MATCH
    magnification = abs(float(np.linalg.det(into[:, :2])))
    areas = float(b.thumb_valid.sum()), magnification * float(a.thumb_valid.sum())
    overlap, containment = (min(1.0, float(common.sum()) / choose(areas)) for choose in (max, min))
    common = _without_labels(laid, b.thumb, common)
    detail = _detail_correlation(laid, b.thumb, common)
    laid, thumb = (cv2.GaussianBlur(picture, (0, 0), 1.5) for picture in (laid, b.thumb))
    light_one, light_two = (picture[common].mean(axis=1, dtype=np.float32) for picture in (laid, thumb))
    lightness = max(_correlation(light_one, light_two), _correlation(rankdata(light_one), rankdata(light_two)))
    return Judgement(
        0,
        overlap,
        containment,
        lightness,
        _colour_correlation(laid, thumb, common),
        detail,
    )


def _without_labels(one: np.ndarray, two: np.ndarray, common: np.ndarray) -> np.ndarray:
    """The common area less the tenth in which the pictures differ most: labels and boxes drawn on one of them."""
    curve = _restretch(one, two, common)
    difference = np.abs(curve[one] - two).max(axis=2)
    limit = np.quantile(difference[common], 1.0 - _LABELS)
    return common & (difference <= limit)


def _restretch(one: np.ndarray, two: np.ndarray, common: np.ndarray) -> np.ndarray:
    """The curve, float32 (256,), for all channels that makes levels of `one` most like those of `two`."""
    levels, wanted = one[common].ravel(), two[common].ravel()
    counts = np.bincount(levels, minlength=256)
    sums = np.bincount(levels, wanted, 256)
    known = np.flatnonzero(counts)
    return np.interp(np.arange(256), known, sums[known] / counts[known]).astype(np.float32)


def _colour_correlation(one: np.ndarray, two: np.ndarray, common: np.ndarray) -> float:
    """Correlation of the distances from the gray axis, after one curve for all channels made `one` like `two`.

    A curve common to the channels is a change of stretch; what it cannot explain is another mixture of filters.
    1 where less than 1.5 DN of colour differ besides a tint of the whole, as between nearly gray pictures.
    """
    curve = _restretch(one, two, common)
    parts = []
    for picture in (curve[one], two.astype(np.float32)):
        chroma = picture - picture.mean(axis=2, keepdims=True)
        parts.append(cv2.GaussianBlur(chroma, (0, 0), _CHROMA_BLUR_PX)[common])
    difference = parts[0] - parts[1]
    if float(np.sqrt(((difference - difference.mean(axis=0)) ** 2).mean())) < _FAINT_CHROMA_DN:
        return 1.0
    return _correlation(parts[0], parts[1])


def _detail_correlation(one: np.ndarray, two: np.ndarray, common: np.ndarray) -> float:
    """Correlation of what is finer than the broad light, after one curve for all channels made `one` like `two`.

    The median of the blocks in which there is such detail, so that no core of a galaxy speaks for the whole picture;
    of all together where these are few.
    """
    curve = _restretch(one, two, common)
    fine = []
    for picture in (curve[one], two.astype(np.float32)):
        light = picture.mean(axis=2)
        fine.append(cv2.GaussianBlur(light, (0, 0), _FINE_PX) - cv2.GaussianBlur(light, (0, 0), _BROAD_PX))
    found = []
    for top in range(0, len(common), _BLOCK_PX):
        for left in range(0, common.shape[1], _BLOCK_PX):
            block = np.s_[top : top + _BLOCK_PX, left : left + _BLOCK_PX]
            known = common[block]
            here = [detail[block][known] for detail in fine]
            if 2 * known.sum() > _BLOCK_PX**2 and max(part.std() for part in here) >= _DETAIL_DN:
                found.append(_correlation(*here))
    if len(found) >= _FEWEST_BLOCKS:
        return float(np.median(found))
    return _correlation(*(detail[common] for detail in fine))


def _correlation(one: np.ndarray, two: np.ndarray) -> float:
    """Pearson's correlation of two arrays of one shape; 0 where one is constant."""
    one, two = one.ravel() - one.mean(), two.ravel() - two.mean()
    size = float(np.sqrt((one**2).sum() * (two**2).sum()))
    return float((one * two).sum() / size) if size > 0 else 0.0
