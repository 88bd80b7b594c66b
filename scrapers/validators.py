"""What to ask "has it changed?" with, kept in the catalogue for each question.

Only where one reply was all that the answer was made of: of several, one that is unchanged would not say that the
others are.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, delete, insert, select

from manifests.tables import validators
from scrapers import ledger
from scrapers.http import now_utc
from scrapers.products import Tile
from scrapers.revalidation import AskedAgain, Validator, asking_again


@contextmanager
def if_changed(engine: Engine, tile: Tile) -> Iterator[AskedAgain]:
    """Ask a tile that was answered before only for another answer, while the block lasts; see `asking_again`."""
    answered = not ledger.unasked(engine, [tile])
    with asking_again(lambda url: lookup(engine, tile, url) if answered else None) as asked:
        yield asked


def lookup(engine: Engine, tile: Tile, url: str) -> Validator | None:
    """What the server gave when this question was answered at that address."""
    query = select(validators.c.etag, validators.c.last_modified).where(validators.c.url_sha256 == _key(tile, url))
    with engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    return Validator(*row) if row else None


def remember(engine: Engine, tile: Tile, asked: AskedAgain) -> None:
    """Keep what the server gave with an answer that is written down."""
    if len(asked.got) != 1:
        return
    url, validator = asked.got[0]
    with engine.begin() as connection:
        connection.execute(delete(validators).where(validators.c.url_sha256 == _key(tile, url)))
        if validator:
            row = {"url": url, "etag": validator.etag, "last_modified": validator.last_modified}
            connection.execute(insert(validators).values(url_sha256=_key(tile, url), updated_at=now_utc(), **row))


def _key(tile: Tile, url: str) -> str:
    # two questions may read one page, and not on the same day
    return hashlib.sha256(f"{tile.tile_id} {url}".encode()).hexdigest()
