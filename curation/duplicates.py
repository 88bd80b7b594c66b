"""Which frames repeat a better one: the keep policy, and the rule that every duplicate matches the one that is kept."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["exact", "same_rendering"]

RANK = {"accept": 0, "review": 1, "reject": 2}
_LOSSLESS = 101.0
_SCALE_STEP = 1.1  # scales are measured to a per cent or two: nearer ones than this count as one
_MOST_OF_SKY = 0.6  # of what the widest twin shows
# Of 12 real frames, as JPEGs of quality 80 and 90: those shrunk to half and enlarged again had 0.64 to 0.92 times the
# sharpness of the shrunk ones, median 0.76, those that were never shrunk 0.79 to 1.05 times. Most larger
# twins are real.
_SOFTENED = 0.77


@dataclass(frozen=True)
class Candidate:
    """What the keep policy looks at: verdict so far, letters, whether made of counts, valid area, loss, sharpness.

    `lettered` says that the frame bears writing. `pipeline` is the version of the rendering, higher for newer.
    `unused` says that the frame is in no split. `sharpness` is the measurement edge_sharpness. `all_pixels`
    counts those without data too.
    """

    image_id: str
    verdict: str
    valid_pixels: int
    of_counts: bool
    jpeg_quality: float | None
    lettered: bool = False
    pipeline: int = 0
    unused: bool = False
    sharpness: float | None = None
    all_pixels: int | None = None

    def keep_order(self, sampling: "Sampling") -> tuple[bool, int, bool, bool, int, int, int, float, int, str]:
        """Smaller is kept: no letters, better verdict, in use, of counts, wider, finer, more valid pixels, less loss,
        newer.

        Letters come first so that the annotated twin of a clean picture is never the one that stays, whatever else is
        said of the two. A composite of counts is native, the archive's JPEG of them derived: it knows which pixels hold
        data; of a JPEG they are guessed, some too many. A close-up is finer than the whole, but does not stand for the
        sky that it leaves out: it is kept only where it shows most of what the widest of its twins does. The smallest
        name breaks ties.

        A frame that joins what two splits hold is in neither, however good it is: were it kept, those that it repeats
        would be dropped for it, and nobody would use the picture any more.
        """
        quality = _LOSSLESS if self.jpeg_quality is None else self.jpeg_quality
        native = not self.of_counts, sampling.missing, -sampling.fineness, -self.valid_pixels, -quality, -self.pipeline
        return self.lettered, RANK[self.verdict], self.unused, *native, self.image_id


@dataclass(frozen=True)
class Sampling:
    """Of a picture against its twins: the arcsec that a pixel spans, and the sky that all of them show.

    `fineness` grows by 1 as a pixel spans a tenth less; a picture that was made by enlarging, as its softness shows,
    has less than its coarser twin. `extent` is the natural logarithm of the sky that it shows over that which the
    widest of its twins does, `frame` the same of whole frames, with what holds no data: lossy copies of one picture
    differ in what of a void is known for one.
    """

    fineness: int = 0
    extent: float = 0.0
    frame: float = 0.0

    @property
    def missing(self) -> int:
        """0 where the picture shows 0.6 of the widest twin's sky or more, 1 down to the square of that, and so on."""
        return int(self.extent / math.log(_MOST_OF_SKY))

    def stands_for(self, other: "Sampling") -> bool:
        """Whether the picture shows 0.6 of the sky that a twin shows, or more."""
        return max(self.extent - other.extent, self.frame - other.frame) >= math.log(_MOST_OF_SKY)


@dataclass(frozen=True)
class Duplicate:
    """That a frame repeats another, and how: same pixels, or one rendering in another size, crop or encoding."""

    of: str
    kind: Kind


def resolve(
    frames: Iterable[Candidate], pixels: Mapping[str, str], same_rendering: Mapping[tuple[str, str], float]
) -> dict[str, Duplicate]:
    """Decide which frames are dropped as duplicates; the result does not depend on any order.

    `pixels` gives the pixel hash of each frame; frames that share one are exact duplicates. `same_rendering` are pairs
    of pixel hashes, each with how many pixels of the second go on one of the first, along a side. Pictures are gone
    through in the keep order of their best frames. One that matches a kept picture directly is a duplicate of the best
    such; one that matches only dropped pictures is kept, so that chains of likeness lose no picture. So is one that
    shows much more of the sky than what is kept, as a doubtful whole beside a close-up that is not, unless it is one of
    those that are never kept beside another.
    """
    members: dict[str, list[Candidate]] = {}
    for frame in frames:
        members.setdefault(pixels[frame.image_id], []).append(frame)
    partners: dict[str, dict[str, float]] = {}
    for (a, b), magnification in same_rendering.items():
        if a not in members or b not in members:
            continue
        partners.setdefault(a, {})[b] = math.log(magnification)
        partners.setdefault(b, {})[a] = -math.log(magnification)
    sampling = _sampling(partners, {digest: min(copies, key=_name) for digest, copies in members.items()})
    order = {}
    for digest, copies in members.items():
        keys = {frame.image_id: frame.keep_order(sampling.get(digest, Sampling())) for frame in copies}
        copies.sort(key=lambda frame, keys=keys: keys[frame.image_id])  # type: ignore[misc]
        order[digest] = keys[copies[0].image_id]
    kept: set[str] = set()
    dropped: dict[str, Duplicate] = {}
    for digest in sorted(order, key=order.__getitem__):
        head, *copies = members[digest]
        own = sampling.get(digest, Sampling())
        near = partners.get(digest, {}).keys() & kept
        matches = {twin for twin in near if _yields(head, members[twin][0]) or sampling[twin].stands_for(own)}
        if matches:
            best = members[min(matches, key=order.__getitem__)][0].image_id
            dropped.update({frame.image_id: Duplicate(best, "same_rendering") for frame in (head, *copies)})
        else:
            kept.add(digest)
            dropped.update({frame.image_id: Duplicate(head.image_id, "exact") for frame in copies})
    return dropped


def _sampling(partners: Mapping[str, Mapping[str, float]], pictures: Mapping[str, Candidate]) -> dict[str, Sampling]:
    """How each picture that has twins samples the sky, from their magnifications, valid pixels and sharpness.

    `partners` holds for each picture the natural logarithm of the magnification to each of its twins.
    """
    found: dict[str, Sampling] = {}
    for first in sorted(partners):
        if first in found:
            continue
        sizes = {first: 0.0}  # logarithm of the pixels that a stretch of sky takes, against those on the first
        waiting = [first]
        for picture in waiting:
            for twin in sorted(partners[picture].keys() - sizes.keys()):
                sizes[twin] = sizes[picture] + partners[picture][twin]
                waiting.append(twin)
        extents = _over_widest(sizes, {picture: pictures[picture].valid_pixels for picture in sizes})
        frames = _over_widest(
            sizes, {picture: pictures[picture].all_pixels or pictures[picture].valid_pixels for picture in sizes}
        )
        fineness = {picture: round(size / math.log(_SCALE_STEP)) for picture, size in sizes.items()}
        for picture in sizes:
            outdone = [
                fineness[twin] - 1
                for twin in partners[picture]
                if fineness[twin] < fineness[picture] and _enlarged(pictures[picture], pictures[twin])
            ]
            found[picture] = Sampling(min([fineness[picture], *outdone]), extents[picture], frames[picture])
    return found


def _over_widest(sizes: Mapping[str, float], pixels: Mapping[str, int]) -> dict[str, float]:
    """Logarithm of the sky under each picture's pixels over that of the widest, by the logarithms of their scales."""
    sky = {picture: math.log(max(1, pixels[picture])) - 2.0 * size for picture, size in sizes.items()}
    widest = max(sky.values())
    return {picture: extent - widest for picture, extent in sky.items()}


def _yields(frame: Candidate, kept: Candidate) -> bool:
    """Whether a frame is dropped for a twin whatever more of the sky it shows."""
    return frame.lettered or frame.unused or (kept.of_counts and not frame.of_counts)


def _name(frame: Candidate) -> str:
    return frame.image_id


def _enlarged(picture: Candidate, coarser: Candidate) -> bool:
    """Whether a picture is so much softer, pixel by pixel, than a coarser twin that it was made by enlarging such."""
    if picture.sharpness is None or coarser.sharpness is None:
        return False
    return picture.sharpness < _SOFTENED * coarser.sharpness
