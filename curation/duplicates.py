"""Which frames repeat a better one: the keep policy, and the rule that every duplicate matches the one that is kept."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["exact", "same_rendering"]

RANK = {"accept": 0, "review": 1, "reject": 2}
_LOSSLESS = 101.0
_SCALE_STEP = 1.1  # scales are measured to a per cent or two: nearer ones than this count as one


@dataclass(frozen=True)
class Candidate:
    """What the keep policy looks at: verdict so far, letters, whether made of counts, valid area, loss.

    `lettered` says that the frame bears writing. `pipeline` is the version of the rendering, higher for newer.
    `unused` says that the frame is in no split.
    """

    image_id: str
    verdict: str
    valid_pixels: int
    of_counts: bool
    jpeg_quality: float | None
    lettered: bool = False
    pipeline: int = 0
    unused: bool = False

    def keep_order(self, fineness: int) -> tuple[bool, int, bool, bool, int, int, float, int, str]:
        """Smaller is kept: no letters, better verdict, in use, of counts, finer, more valid pixels, less loss, newer.

        Letters come first so that the annotated twin of a clean picture is never the one that stays, whatever else is
        said of the two. A composite of counts is native, the archive's JPEG of them derived: it knows which pixels hold
        data; of a JPEG they are guessed, some too many. `fineness` says how few arcsec a pixel spans, against those of
        its twins. The smallest name breaks ties.

        A frame that joins what two splits hold is in neither, however good it is: were it kept, those that it repeats
        would be dropped for it, and nobody would use the picture any more.
        """
        quality = _LOSSLESS if self.jpeg_quality is None else self.jpeg_quality
        native = not self.of_counts, -fineness, -self.valid_pixels, -quality, -self.pipeline
        return self.lettered, RANK[self.verdict], self.unused, *native, self.image_id


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
    such; one that matches only dropped pictures is kept, so that chains of likeness lose no picture.
    """
    members: dict[str, list[Candidate]] = {}
    for frame in frames:
        members.setdefault(pixels[frame.image_id], []).append(frame)
    partners: dict[str, dict[str, float]] = {}
    for (a, b), magnification in same_rendering.items():
        partners.setdefault(a, {})[b] = math.log(magnification)
        partners.setdefault(b, {})[a] = -math.log(magnification)
    fineness = _fineness(partners)
    order = {}
    for digest, copies in members.items():
        keys = {frame.image_id: frame.keep_order(fineness.get(digest, 0)) for frame in copies}
        copies.sort(key=lambda frame, keys=keys: keys[frame.image_id])  # type: ignore[misc]
        order[digest] = keys[copies[0].image_id]
    kept: set[str] = set()
    dropped: dict[str, Duplicate] = {}
    for digest in sorted(order, key=order.__getitem__):
        matches = partners.get(digest, {}).keys() & kept
        head, *copies = members[digest]
        if matches:
            best = members[min(matches, key=order.__getitem__)][0].image_id
            dropped.update({frame.image_id: Duplicate(best, "same_rendering") for frame in (head, *copies)})
        else:
            kept.add(digest)
            dropped.update({frame.image_id: Duplicate(head.image_id, "exact") for frame in copies})
    return dropped


def _fineness(partners: Mapping[str, Mapping[str, float]]) -> dict[str, int]:
    """How finely each picture samples the sky against the first of those it is bound to, in steps of a tenth.

    `partners` holds for each picture the natural logarithm of the magnification to each of its twins.
    """
    known: dict[str, float] = {}
    for first in sorted(partners):
        if first in known:
            continue
        known[first] = 0.0
        waiting = [first]
        for picture in waiting:
            for twin in sorted(partners[picture].keys() - known.keys()):
                known[twin] = known[picture] + partners[picture][twin]
                waiting.append(twin)
    return {picture: round(size / math.log(_SCALE_STEP)) for picture, size in known.items()}
