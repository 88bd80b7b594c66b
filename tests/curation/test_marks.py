"""Which of two pictures of one sky is annotated: whatever was drawn and however the other was changed, that one."""

from functools import cache

import cv2
import numpy as np
import pytest
from drawn_skies import encoded, frame, sky

from curation.features import Features, extract
from curation.judge import Judgement, judge
from manifests.frames import decode

WHITE = (255, 255, 255)
SIZES = {"small": (420, 520), "large": (1140, 1500)}


def _scaled(rgb: np.ndarray, by: float) -> np.ndarray:
    return cv2.resize(rgb, None, fx=by, fy=by, interpolation=cv2.INTER_AREA if by < 1 else cv2.INTER_CUBIC)


def _turned(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 7.0, 1.0)
    return cv2.warpAffine(rgb, turn, (width, height), flags=cv2.INTER_CUBIC)


def _with_tracks(rgb: np.ndarray) -> np.ndarray:
    """Hit by cosmic rays, which leave short bright tracks."""
    rng, hit = np.random.default_rng(7), rgb.copy()
    for _ in range(60):
        x, y = (int(rng.uniform(0, side)) for side in (rgb.shape[1], rgb.shape[0]))
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(1, 8)
        cv2.line(hit, (x, y), (int(x + length * np.cos(angle)), int(y + length * np.sin(angle))), (230, 230, 230), 1)
    return hit


CHANGES = {
    "nothing": lambda rgb: rgb,
    "re-encoded": lambda rgb: decode(encoded(rgb, "JPEG", quality=30)).rgb,
    "smaller": lambda rgb: _scaled(rgb, 0.7),
    "half size, re-encoded": lambda rgb: decode(encoded(_scaled(rgb, 0.5), "JPEG", quality=60)).rgb,
    "twice the size": lambda rgb: _scaled(rgb, 2.0),
    "brighter": lambda rgb: (255 * (rgb / 255) ** 0.6).astype(np.uint8),
    "darker": lambda rgb: (255 * (rgb / 255) ** 1.6).astype(np.uint8),
    "stars clipped": lambda rgb: np.clip(2 * rgb.astype(int), 0, 255).astype(np.uint8),
    "cropped": lambda rgb: rgb[20:-40, 30:-40],
    "turned": _turned,
    "on its side": np.rot90,
    "noise": lambda rgb: np.clip(rgb + np.random.default_rng(3).normal(0, 6, rgb.shape), 0, 255).astype(np.uint8),
    "blurred": lambda rgb: cv2.GaussianBlur(rgb, (0, 0), 1.5),
    "cosmic rays": _with_tracks,
}


def _write(rgb: np.ndarray, text: str, place: tuple[float, float], height: float, colour=WHITE) -> None:
    """Letters `height` of the frame's longer side high."""
    rows, columns = rgb.shape[:2]
    size = height * max(rows, columns) / 22
    spot = int(place[0] * columns), int(place[1] * rows)
    cv2.putText(rgb, text, spot, cv2.FONT_HERSHEY_SIMPLEX, size, colour, max(1, round(2 * size)), cv2.LINE_AA)


def _line(rgb: np.ndarray, start: tuple[float, float], end: tuple[float, float], draw=cv2.line) -> None:
    rows, columns = rgb.shape[:2]
    ends = [(int(x * columns), int(y * rows)) for x, y in (start, end)]
    draw(rgb, *ends, WHITE, max(1, round(columns / 500)))


def _circles(rgb: np.ndarray, colour: tuple[int, int, int]) -> None:
    rows, columns = rgb.shape[:2]
    for x, y in ((0.2, 0.25), (0.6, 0.5), (0.8, 0.8)):
        spot = int(x * columns), int(y * rows)
        cv2.circle(rgb, spot, columns // 24, colour, max(1, round(columns / 400)), cv2.LINE_AA)


def _compass(rgb: np.ndarray) -> None:
    _line(rgb, (0.9, 0.25), (0.9, 0.12), cv2.arrowedLine)
    _line(rgb, (0.9, 0.25), (0.8, 0.25), cv2.arrowedLine)
    _write(rgb, "N", (0.89, 0.1), 0.02)
    _write(rgb, "E", (0.77, 0.26), 0.02)


def _scale_bar(rgb: np.ndarray) -> None:
    _line(rgb, (0.06, 0.94), (0.25, 0.94))
    _write(rgb, "1'", (0.13, 0.92), 0.02)


def _panel(rgb: np.ndarray) -> None:
    """A part of the picture, enlarged in a corner of it."""
    rows, columns = rgb.shape[:2]
    height, width = int(0.3 * rows), int(0.3 * columns)
    part = rgb[rows // 10 : rows // 4, columns // 10 : columns // 4]
    rgb[-height - 20 : -20, -width - 20 : -20] = cv2.resize(part, (width, height))
    cv2.rectangle(rgb, (columns - width - 20, rows - height - 20), (columns - 20, rows - 20), WHITE, 2)


MARKS = {
    "a caption": lambda rgb: _write(rgb, "NGC 5194 Hubble ACS", (0.05, 0.94), 0.02),
    "a small caption": lambda rgb: _write(rgb, "Hubble Space Telescope ACS WFC  NGC 5194", (0.05, 0.94), 0.0125),
    "a short label": lambda rgb: _write(rgb, "M 51", (0.05, 0.15), 0.035),
    "a dark label": lambda rgb: _write(rgb, "Region A", (0.4, 0.55), 0.035, (0, 0, 0)),
    "green circles": lambda rgb: _circles(rgb, (0, 255, 0)),
    "red circles": lambda rgb: _circles(rgb, (255, 0, 0)),
    "an arrow": lambda rgb: _line(rgb, (0.3, 0.5), (0.45, 0.35), cv2.arrowedLine),
    "a compass": _compass,
    "a scale bar": _scale_bar,
    "a box": lambda rgb: _line(rgb, (0.4, 0.3), (0.65, 0.6), cv2.rectangle),
    "a panel": _panel,
}


@cache
def _clean(size: str) -> np.ndarray:
    height, width = SIZES[size]
    rows, columns = np.mgrid[:height, :width]
    # a glow, on which dark letters are seen
    glow = 110 * np.exp(-np.hypot(rows / height - 0.5, columns / width - 0.5) / 0.2)
    return np.clip(sky(21, height, width, stars=300) + glow[..., None], 0, 255).astype(np.uint8)


@cache
def _changed(size: str, change: str) -> Features:
    return extract(frame(CHANGES[change](_clean(size))))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("size", SIZES)
def test_changed_copies_of_a_clean_picture_are_clean(size, change):
    found = judge(_changed(size, "nothing"), _changed(size, change))
    assert (found.relation, found.annotated) == ("same_rendering", "none"), found


@pytest.mark.parametrize("change", ["smaller", "brighter"])
@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("size", SIZES)
def test_the_side_with_the_mark_is_the_annotated_one(size, mark, change):
    rgb = _clean(size).copy()
    MARKS[mark](rgb)
    annotated = extract(frame(rgb))
    assert judge(annotated, _changed(size, change)).annotated == "a"
    assert judge(_changed(size, change), annotated).annotated == "b"


def test_of_two_annotated_pictures_neither_is_clean():
    pictures = []
    for name in ("a caption", "a compass"):
        rgb = _clean("large").copy()
        MARKS[name](rgb)
        pictures.append(extract(frame(rgb)))
    found = judge(*pictures)
    assert min(found.marks_a, found.marks_b) > 36 and found.annotated == "none"


def test_little_is_no_mark_and_much_more_than_on_the_other_is():
    sides = {(35, 0): "none", (40, 0): "a", (0, 40): "b", (100, 40): "none", (100, 300): "b"}
    for (marks_a, marks_b), expected in sides.items():
        assert Judgement(60, 0.9, 0.9, 1.0, 1.0, 1.0, 1.0, marks_a, marks_b).annotated == expected
