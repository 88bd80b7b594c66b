"""Clusters of pictures that repeat each other: each of a cluster is held against those that are kept of it.

Candidates are proposed by likeness, and only the likest of many: of thirty crops of one picture each is proposed with
some of the others. What stays beside a kept picture must have been compared with it.
"""

from collections.abc import Mapping, Set

from curation.judge import Judgement
from curation.neighbours import BOTH, Found, Pair
from curation.pairs import Sided
from manifests.splits import components


def against_kept(same_rendering: Set[Pair], kept: Set[str]) -> Found:
    """The pairs of a kept picture and another of its cluster that are not known to be repetitions, either way round.

    Verified pairs bind pictures to clusters, directly or through others.
    """
    bound = {picture for pair in same_rendering for picture in pair}
    found: Found = {}
    for cluster in components(sorted(bound), same_rendering):
        for one in kept & set(cluster):
            found |= {(min(one, other), max(one, other)): BOTH for other in cluster if other != one}
    return {pair: sides for pair, sides in found.items() if pair not in same_rendering}


def remembered(known: Mapping[Sided, Judgement], present: Mapping[str, object]) -> Found:
    """Pairs of present pictures that were judged to be related: more pictures are no reason to forget them."""
    found: dict[Pair, tuple[bool, ...]] = {}
    for (pair, side), judgement in sorted(known.items()):
        if judgement.relation != "none" and pair[0] in present and pair[1] in present:
            found[pair] = (*found.get(pair, ()), side)
    return found
