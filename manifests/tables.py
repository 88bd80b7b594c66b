"""Tables of the catalogue: what was asked of the archives, what came, and what people decided.

The migrations in `manifests/migrations` create them; a change here needs a migration there.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

METADATA = MetaData()

# A piece of an archive that was asked for its products: a cone on the sky, a list page, a folder.
tiles = Table(
    "tiles",
    METADATA,
    Column("tile_id", String(64), primary_key=True),
    Column("archive", String(32), nullable=False),
    Column("request", Text, nullable=False),  # canonical text of what was asked
    # the part of the sky the answer covers, as the ASCII form of a MOC ("6/1023" is one HEALPix cell); null for pages
    Column("coverage", Text),
    Column("status", String(16), nullable=False),  # open, done, failed
    Column("products", Integer, nullable=False, default=0),
    Column("attempts", Integer, nullable=False, default=0),
    Column("error", Text),
    # which worker is asking it, and until when nobody else will: several may share one ledger
    Column("claimed_by", String(64)),
    Column("claimed_until", String(32)),
    Column("updated_at", String(32), nullable=False),
)

products = Table(
    "products",
    METADATA,
    Column("product_id", String(255), primary_key=True),
    Column("archive", String(32), nullable=False),
    Column("access_url", Text, nullable=False),
    Column("record", Text, nullable=False),  # manifest columns that are known before decoding, as JSON
    Column("expects_colour", Boolean, nullable=False),  # a grey picture is then refused
    # open: not asked yet; got; refused: came and is of no use; gone: the archive has it no more;
    # failed: did not come, and is asked again by the next run
    Column("status", String(16), nullable=False),
    Column("reason", String(32)),  # one word why it is refused, gone or failed
    Column("sha256", String(64)),
    Column("attempts", Integer, nullable=False, default=0),
    Column("error", Text),
    # as a tile's
    Column("claimed_by", String(64)),
    Column("claimed_until", String(32)),
    Column("found_at", String(32), nullable=False),
    Column("updated_at", String(32), nullable=False),
    Index("products_by_status", "archive", "status"),
    Index("products_by_sha256", "sha256"),
)
# The few that are claimed at a time, found without reading the table; an index cannot be named with its condition
# before its columns are.
for _table in (tiles, products):
    _claimed = _table.c.claimed_by.is_not(None)
    Index(f"{_table.name}_claimed", _table.c.claimed_by, sqlite_where=_claimed, postgresql_where=_claimed)

# Which tile a product was found in: a product near a border is found by several.
tile_products = Table(
    "tile_products",
    METADATA,
    Column("tile_id", String(64), ForeignKey("tiles.tile_id"), primary_key=True),
    Column("product_id", String(255), ForeignKey("products.product_id"), primary_key=True),
)

# Every attempt to fetch a product, appended and never changed.
fetches = Table(
    "fetches",
    METADATA,
    Column("fetch_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("product_id", String(255), ForeignKey("products.product_id"), nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("outcome", String(16), nullable=False),  # got, refused, failed
    Column("http_status", Integer),
    Column("size_bytes", BigInteger),
    Column("seconds", Float, nullable=False),
    Column("sha256", String(64)),
    Column("error", Text),
    Column("started_at", String(32), nullable=False),
)

# Every attempt to ask a tile, appended and never changed.
asks = Table(
    "asks",
    METADATA,
    Column("ask_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("tile_id", String(64), ForeignKey("tiles.tile_id"), nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("outcome", String(16), nullable=False),  # got, unchanged, failed
    Column("http_status", Integer),
    Column("size_bytes", BigInteger),
    Column("seconds", Float, nullable=False),
    Column("error", Text),
    Column("started_at", String(32), nullable=False),
)

# What a server gave to ask "has it changed?" with (RFC 9110, 8.8), for each tile and address that brought its answer.
validators = Table(
    "validators",
    METADATA,
    Column("url_sha256", String(64), primary_key=True),  # of the tile's id and the address, a space between
    Column("url", Text, nullable=False),
    Column("etag", Text),
    Column("last_modified", String(64)),
    Column("updated_at", String(32), nullable=False),
)

# How each host is to be treated by all processes that share the catalogue: pace, pauses, circuit breaker.
hosts = Table(
    "hosts",
    METADATA,
    Column("host", String(255), primary_key=True),
    Column("next_at", Float, nullable=False),  # Unix seconds: the next request may start then
    Column("paused_until", Float, nullable=False, default=0.0),
    Column("failures", Integer, nullable=False, default=0),  # in a row
    Column("open_until", Float, nullable=False, default=0.0),  # the circuit is open: nobody asks until then
)

# What people said, appended and never changed: undo is a new row.
decisions = Table(
    "decisions",
    METADATA,
    Column("decision_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("image_id", String(64), nullable=False, index=True),
    Column("action", String(16), nullable=False),  # accept, reject, skip, undo
    Column("reasons", Text, nullable=False, default=""),
    Column("note", Text, nullable=False, default=""),
    Column("reviewer", String(128), nullable=False),
    Column("origin", String(32), nullable=False),  # cli, web, import
    Column("seconds", Float),
    Column("undoes", Integer),  # decision_id that an undo takes back
    Column("snapshot_id", String(64)),
    Column("policy_digest", String(64)),
    Column("decided_at", String(32), nullable=False),
    # chosen by whoever asks, so that asking again, after an answer that got lost, adds nothing
    Column("request_id", String(64), nullable=False),
    # why the frame was shown: doubt, audit, second, third, override; null in rows of before there were roles
    Column("role", String(16)),
    Column("policy_verdict", String(16)),  # what the policy said of the frame at that time
    Index("decisions_by_request", "request_id", "image_id", unique=True),
)

# Who is looking at which item, and until when.
claims = Table(
    "claims",
    METADATA,
    Column("image_id", String(64), primary_key=True),
    Column("reviewer", String(128), nullable=False, index=True),
    Column("claimed_at", String(32), nullable=False),
    Column("expires_at", String(32), nullable=False),
)
