"""What binds a picture to others, as its row says it: the closest relation to each, closest first."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

RELATIONS = ("exact", "same_rendering", "same_sky", "same_object")
_SHOWN = 8  # of each relation: a large field has thousands, which group_id tells


def relations_of(bound: Mapping[str, Iterable[Sequence[str]]]) -> dict[str, str]:
    """The relations of each image that has any, as `relation:image_id`, comma-separated.

    `bound` holds for each of `RELATIONS` sets of images that have it to each other. Of each relation the first eight
    are named, in the order of their ids.
    """
    told: dict[str, dict[str, str]] = defaultdict(dict)
    for relation in RELATIONS:
        found: dict[str, set[str]] = defaultdict(set)
        for images in bound[relation]:
            # enough for eight besides the image itself and those it is closer to
            first = sorted(set(images))[: len(RELATIONS) * _SHOWN + 1]
            for image_id in images:
                found[image_id].update(first)
        for image_id, others in found.items():
            new = sorted(others - {image_id} - told[image_id].keys())[:_SHOWN]
            told[image_id].update(dict.fromkeys(new, relation))
    return {
        image_id: ",".join(f"{relation}:{other}" for other, relation in others.items())
        for image_id, others in told.items()
        if others
    }
