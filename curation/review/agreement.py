"""How far reviewers agree: Cohen's kappa for two of them, Krippendorff's alpha for any number.

Only opinions count that were given without knowing those of the others.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from curation.review.decisions import Decision, not_taken_back


@dataclass(frozen=True)
class Agreement:
    """Two reviewers: frames both judged, the share judged alike, and Cohen's kappa (None where it is not defined)."""

    reviewers: tuple[str, str]
    frames: int
    alike: float
    kappa: float | None


def independent_opinions(said: Mapping[str, Sequence[Decision]]) -> dict[str, dict[str, str]]:
    """For each frame, each reviewer's first acceptance or rejection, without those given knowing the others'."""
    found: dict[str, dict[str, str]] = {}
    for image_id, some in said.items():
        for decision in not_taken_back(some):
            if decision.action in ("accept", "reject") and decision.role != "override":
                found.setdefault(image_id, {}).setdefault(decision.reviewer, decision.action)
    return found


def cohens_kappa(pairs: Iterable[tuple[str, str]]) -> float | None:
    """Agreement of two raters beyond chance, -1 to 1; None where chance alone would agree always.

    Cohen 1960, Educational and Psychological Measurement 20, 37. `pairs` holds both words on each frame.
    """
    both = list(pairs)
    if not both:
        return None
    n = len(both)
    observed = sum(one == two for one, two in both) / n
    first, second = Counter(one for one, _ in both), Counter(two for _, two in both)
    expected = sum(first[word] * second[word] for word in first) / n**2
    return None if expected == 1.0 else (observed - expected) / (1.0 - expected)


def krippendorffs_alpha(units: Iterable[Sequence[str]]) -> float | None:
    """Agreement of any number of raters, nominal data, gaps allowed; None where it is not defined.

    Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability". A unit holds the words on one frame; those with
    a single one say nothing.
    """
    pairable = [Counter(unit) for unit in units if len(unit) > 1]
    total = sum(unit.total() for unit in pairable)
    words = sum(pairable, Counter[str]())
    expected = total**2 - sum(count**2 for count in words.values())
    if expected == 0:
        return None
    observed = sum(
        (unit.total() ** 2 - sum(count**2 for count in unit.values())) / (unit.total() - 1) for unit in pairable
    )
    return 1.0 - (total - 1) * observed / expected


def pairwise(opinions: Mapping[str, Mapping[str, str]]) -> list[Agreement]:
    """Each two reviewers who judged the same frames, those with most in common first."""
    shared: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for words in opinions.values():
        for one, two in combinations(sorted(words), 2):
            shared.setdefault((one, two), []).append((words[one], words[two]))
    found = [
        Agreement(names, len(both), sum(one == two for one, two in both) / len(both), cohens_kappa(both))
        for names, both in shared.items()
    ]
    return sorted(found, key=lambda agreement: (-agreement.frames, agreement.reviewers))
