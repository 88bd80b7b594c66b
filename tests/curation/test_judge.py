"""The judge: changed versions of one picture match, other pictures never do, other colours of one sky are not twins."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from drawn_skies import encoded, frame, sky

from curation.features import extract
from curation.judge import Judgement, _compare, judge
from manifests.frames import decode


def _rotated(rgb: np.ndarray, degrees: float) -> np.ndarray:
    height, width = rgb.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return cv2.warpAffine(rgb, matrix, (width, height), flags=cv2.INTER_CUBIC)


CHANGES = {
    "re-encoded": lambda rgb: decode(encoded(rgb, "JPEG", quality=50)).rgb,
    "half size": lambda rgb: cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "twice the size": lambda rgb: cv2.resize(rgb, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC),
    "restretched": lambda rgb: (255 * (rgb / 255) ** 0.6).astype(np.uint8),
    "cropped": lambda rgb: rgb[20:-40, 30:-40],
    "turned a little": lambda rgb: _rotated(rgb, 7.0),
    "turned": np.rot90,
    "upside down": lambda rgb: np.rot90(rgb, 2),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_version_is_the_same_rendering(name):
    rgb = sky(21, 420, 520, stars=300)
    changed = extract(frame(CHANGES[name](rgb)))
    found = judge(extract(frame(rgb)), changed)
    assert found.relation == "same_rendering", found
    assert found.magnification == pytest.approx({"half size": 0.5, "twice the size": 2.0}.get(name, 1.0), rel=0.03)


def test_a_judgement_names_each_value_with_the_least_it_may_be():
    found = Judgement(60, 0.5, 0.9, 0.99, 0.96, 0.9)
    assert found.relation == "same_sky"
    assert found.describe() == (
        "inliers 60 >= 12, lightness_correlation 0.99 >= 0.95, colour_correlation 0.96 >= 0.95, "
        "detail_correlation 0.9 < 0.95, overlap 0.5 >= 0.3, containment 0.9 >= 0.7"
    )
    # colours that agree wholly leave less to doubt
    assert "detail_correlation 0.9 >= 0.7" in replace(found, colour_correlation=0.995).describe()


def test_a_mirror_image_matches_when_mirrored_back():
    rgb = sky(22, 420, 520, stars=300)
    image = frame(rgb[:, ::-1])
    assert judge(extract(frame(rgb)), extract(image, mirrored=True)).relation == "same_rendering"


def test_other_skies_do_not_match():
    features = [extract(frame(sky(seed, stars=300))) for seed in range(30, 36)]
    for n, a in enumerate(features):
        for b in features[n + 1 :]:
            assert judge(a, b).relation == "none"


def test_another_processing_of_the_same_exposures_is_the_same_sky_and_no_duplicate():
    # as measured of the Red Spider and the Helix nebula in two releases each
    spider = Judgement(105, 0.47, 0.94, 0.988, 0.979, 0.918)
    helix = Judgement(170, 0.47, 1.0, 0.991, 0.961, 0.915)
    assert spider.relation == helix.relation == "same_sky"
    # and of a real pair whose colours differ as much
    assert Judgement(473, 0.88, 1.0, 0.999, 0.969, 0.995).relation == "same_rendering"


def test_another_mixture_of_filters_is_the_same_sky_and_no_duplicate():
    rgb = sky(23, 420, 520, stars=300)
    swapped = np.ascontiguousarray(rgb[..., [2, 0, 1]])
    assert judge(extract(frame(rgb)), extract(frame(swapped))).relation == "same_sky"


def test_a_small_crop_is_a_picture_of_its_own():
    rgb = sky(24, 600, 800, stars=900, noise=1.5)
    found = judge(extract(frame(rgb)), extract(frame(rgb[140:450, 180:600])))
    assert found.relation == "same_sky" and found.overlap < 0.3


def test_two_pointings_at_one_sky_are_no_duplicates():
    rgb = sky(27, 420, 900, stars=700)
    found = judge(extract(frame(rgb[:, :560])), extract(frame(rgb[:, 280:])))
    assert found.relation == "same_sky" and found.containment < 0.7


def test_smooth_galaxies_of_one_shape_with_other_stars_are_no_duplicates():
    rows, columns = np.mgrid[:400, :400]
    glow = 220 * np.exp(-np.hypot((rows - 200) / 1.4, columns - 200) / 45)[..., None] * np.array([1.0, 0.9, 0.7])
    one, other = (np.clip(glow + 0.5 * sky(seed, 400, 400, stars=60), 0, 255).astype(np.uint8) for seed in (28, 29))
    # whatever features agree: even laid over each other exactly, they are not one picture
    found = _compare(extract(frame(one)), extract(frame(other)), np.eye(2, 3))
    assert found.lightness_correlation > 0.9 and found.detail_correlation < 0.7
    assert replace(found, inliers=100).relation == "same_sky"


def test_the_judgement_does_not_depend_on_what_was_judged_before():
    a, b = (extract(frame(CHANGES[name](sky(25)))) for name in ("half size", "cropped"))
    first = judge(a, b)
    judge(extract(frame(sky(26))), b)
    assert judge(a, b) == first


def test_frames_without_features_match_nothing():
    blank = extract(frame(np.full((300, 300, 3), 40, np.uint8)))
    assert judge(blank, blank).relation == "none"
    assert extract(frame(sky(1), np.zeros((300, 360), bool))) is None
