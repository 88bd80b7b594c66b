"""Coverage of the sky, attempts on tiles, claims on products, conditional requests, hosts shared by processes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tiles", sa.Column("coverage", sa.Text(), nullable=True))
    op.add_column("products", sa.Column("claimed_by", sa.String(length=64), nullable=True))
    op.add_column("products", sa.Column("claimed_until", sa.String(length=32), nullable=True))
    op.create_table(
        "asks",
        sa.Column(
            "ask_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tile_id", sa.String(length=64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("started_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["tile_id"], ["tiles.tile_id"]),
        sa.PrimaryKeyConstraint("ask_id"),
    )
    op.create_index("ix_asks_tile_id", "asks", ["tile_id"])
    op.create_table(
        "validators",
        sa.Column("url_sha256", sa.String(length=64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.String(length=64), nullable=True),
        sa.Column("updated_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("url_sha256"),
    )
    op.create_table(
        "hosts",
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("next_at", sa.Float(), nullable=False),
        sa.Column("paused_until", sa.Float(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("open_until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("host"),
    )


def downgrade() -> None:
    op.drop_table("hosts")
    op.drop_table("validators")
    op.drop_table("asks")
    op.drop_column("products", "claimed_until")
    op.drop_column("products", "claimed_by")
    op.drop_column("tiles", "coverage")
