"""What the review comes to: how much is left, how long it takes, how well people agree, how often the policy errs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from curation.rates import Share
from curation.review.agreement import Agreement, independent_opinions, krippendorffs_alpha, pairwise
from curation.review.decisions import Decision, not_taken_back, standing
from curation.review.queue import Queue

_LATEST = 200  # decisions that the pace is taken from
_ELSEWHERE_S = 300.0  # who takes longer than this was not looking


@dataclass(frozen=True)
class Statistics:
    """Figures of the review. Rates are per hour of looking; `false_*` are measured on the audit sample alone.

    `false_accept` is the share of automatic acceptances that people reject, `false_reject` the reverse.
    """

    waiting: int
    disputed: int
    accepted: int
    rejected: int
    overruled: int
    rows: int
    reviewers: dict[str, int]
    per_hour: float | None
    hours_left: float | None
    false_accept: Share
    false_reject: Share
    alpha: float | None
    agreement: tuple[Agreement, ...]


def statistics(queue: Queue) -> Statistics:
    """The figures of a queue and of all that was said."""
    said = queue.all_said()
    everything = sorted((one for some in said.values() for one in some), key=lambda one: one.decision_id)
    standings = {image_id: standing(some) for image_id, some in said.items()}
    held = {image_id: now.held for image_id, now in standings.items()}
    final = [one for one in held.values() if one is not None]
    opinions = independent_opinions(said)
    pace = _per_hour(everything)
    waiting = queue.count()
    return Statistics(
        waiting=waiting,
        disputed=sum(now.disputed for now in standings.values()),
        accepted=sum(one.action == "accept" for one in final),
        rejected=sum(one.action == "reject" for one in final),
        overruled=sum(one.policy_verdict in ("accept", "reject") and one.policy_verdict != one.action for one in final),
        rows=len(everything),
        reviewers=dict(sorted(Counter(one.reviewer for one in everything).items())),
        per_hour=pace,
        hours_left=waiting / pace if pace else None,
        false_accept=_errors(said, held, "accept"),
        false_reject=_errors(said, held, "reject"),
        alpha=krippendorffs_alpha([list(words.values()) for words in opinions.values()]),
        agreement=tuple(pairwise(opinions)),
    )


def _errors(said: Mapping[str, Sequence[Decision]], held: Mapping[str, Decision | None], verdict: str) -> Share:
    """Of the audited frames on which the policy said this, those that people hold otherwise."""
    audited = [
        decision.action
        for image_id, decision in held.items()
        if decision is not None
        and any(one.role == "audit" and one.policy_verdict == verdict for one in not_taken_back(said[image_id]))
    ]
    return Share(sum(action != verdict for action in audited), len(audited))


def _per_hour(everything: Sequence[Decision]) -> float | None:
    times = [
        one.seconds
        for one in everything
        if one.action in ("accept", "reject") and one.seconds is not None and 0 < one.seconds < _ELSEWHERE_S
    ][-_LATEST:]
    return 3600.0 * len(times) / sum(times) if times else None
