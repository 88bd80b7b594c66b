"""Which frames repeat a better one: the keep policy, and the rule that every duplicate matches the one that is kept."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["exact", "same_rendering"]

RANK = {"accept": 0, "review": 1, "reject": 2}
_LOSSLESS = 101.0


@dataclass(frozen=True)
class Candidate:
    """What the keep policy looks at: verdict so far, letters, whether made of counts, native size, valid area, loss.

    `lettered` says that the frame bears writing. `pipeline` is the version of the rendering, higher for newer.
    """

    image_id: str
    verdict: str
    pixels: int
    valid_pixels: int
    of_counts: bool
    jpeg_quality: float | None
    lettered: bool = False
    pipeline: int = 0

    @property
    def keep_order(self) -> tuple[bool, int, bool, int, int, float, int, str]:
        """Smaller is kept: no letters, better verdict, made of counts, more pixels, more valid ones, less loss, newer.

        Letters come first so that the annotated twin of a clean picture is never the one that stays, whatever else is
        said of the two. A composite of counts is native, the archive's JPEG of them derived: it knows which pixels hold
        data; of a JPEG they are guessed, some too many. Of twins, the one of more pixels has fewer arcsec in each,
        unless it shows more sky. The smallest name breaks ties.
        """
        quality = _LOSSLESS if self.jpeg_quality is None else self.jpeg_quality
        native = not self.of_counts, -self.pixels, -self.valid_pixels, -quality, -self.pipeline
        return self.lettered, RANK[self.verdict], *native, self.image_id


@dataclass(frozen=True)
class Duplicate:
    """That a frame repeats another, and how: same pixels, or one rendering in another size, crop or encoding."""

    of: str
    kind: Kind


def resolve(
    frames: Iterable[Candidate], pixels: Mapping[str, str], same_rendering: Iterable[tuple[str, str]]
) -> dict[str, Duplicate]:
    """Decide which frames are dropped as duplicates; the result does not depend on any order.

    `pixels` gives the pixel hash of each frame; frames that share one are exact duplicates. `same_rendering` are pairs
    of pixel hashes. Pictures are gone through in the keep order of their best frames. One that matches a kept picture
    directly is a duplicate of the best such; one that matches only dropped pictures is kept, so that chains of
    likeness lose no picture.
    """
    members: dict[str, list[Candidate]] = {}
    for frame in frames:
        members.setdefault(pixels[frame.image_id], []).append(frame)
    for copies in members.values():
        copies.sort(key=lambda frame: frame.keep_order)
    partners: dict[str, set[str]] = {}
    for a, b in same_rendering:
        partners.setdefault(a, set()).add(b)
        partners.setdefault(b, set()).add(a)
    order = {digest: copies[0].keep_order for digest, copies in members.items()}
    kept: set[str] = set()
    dropped: dict[str, Duplicate] = {}
    for digest in sorted(order, key=order.__getitem__):
        matches = partners.get(digest, set()) & kept
        head, *copies = members[digest]
        if matches:
            best = members[min(matches, key=order.__getitem__)][0].image_id
            dropped.update({frame.image_id: Duplicate(best, "same_rendering") for frame in (head, *copies)})
        else:
            kept.add(digest)
            dropped.update({frame.image_id: Duplicate(head.image_id, "exact") for frame in copies})
    return dropped
