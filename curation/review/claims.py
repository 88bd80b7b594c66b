"""Who is looking at which frame, and until when: no two reviewers see the same one at once.

All functions work in a transaction that holds `REVIEW_LOCK`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from curation.review.decisions import iso
from manifests.tables import claims

CLAIM_MINUTES = 15.0


@dataclass(frozen=True)
class Claim:
    """A frame that somebody looks at until `expires_at`, ISO 8601 UTC."""

    image_id: str
    reviewer: str
    claimed_at: str
    expires_at: str


_NOT_OVER = claims.c.expires_at > bindparam("moment")
_RUNNING = select(claims).where(_NOT_OVER).order_by(claims.c.claimed_at.desc(), claims.c.image_id)


def running(connection: Connection, now: datetime | None = None) -> dict[str, Claim]:
    """The claims that have not run out, by frame, the last made at the front: what was taken back comes before all."""
    found = connection.execute(_RUNNING, {"moment": iso(now or datetime.now(UTC))}).mappings()
    return {row["image_id"]: Claim(**row) for row in found}


def renew(
    connection: Connection, reviewer: str, image_ids: Iterable[str], minutes: float, now: datetime | None = None
) -> None:
    """Keep the reviewer's own claims for `minutes` from now."""
    moment = now or datetime.now(UTC)
    mine = (claims.c.reviewer == reviewer) & claims.c.image_id.in_(list(image_ids))
    connection.execute(update(claims).where(mine).values(expires_at=iso(moment + timedelta(minutes=minutes))))


def claim(
    connection: Connection, reviewer: str, image_ids: Iterable[str], minutes: float, now: datetime | None = None
) -> None:
    """Give the reviewer frames that nobody else has a running claim on."""
    moment = now or datetime.now(UTC)
    wanted = list(image_ids)
    # what is in the way has run out
    connection.execute(delete(claims).where(claims.c.image_id.in_(wanted)))
    rows = [
        {
            "image_id": image_id,
            "reviewer": reviewer,
            "claimed_at": iso(moment),
            "expires_at": iso(moment + timedelta(minutes=minutes)),
        }
        for image_id in wanted
    ]
    if rows:
        connection.execute(insert(claims), rows)


def release(connection: Connection, reviewer: str, image_ids: Iterable[str] | None = None) -> None:
    """End the reviewer's claims, on these frames or on all."""
    mine = claims.c.reviewer == reviewer
    if image_ids is not None:
        mine &= claims.c.image_id.in_(list(image_ids))
    connection.execute(delete(claims).where(mine))
