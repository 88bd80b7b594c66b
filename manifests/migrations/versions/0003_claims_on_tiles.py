"""Claims on tiles, as products have them, and the way to the few that are claimed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tiles", sa.Column("claimed_by", sa.String(length=64), nullable=True))
    op.add_column("tiles", sa.Column("claimed_until", sa.String(length=32), nullable=True))
    for table in ("tiles", "products"):
        claimed = sa.text("claimed_by IS NOT NULL")
        op.create_index(f"{table}_claimed", table, ["claimed_by"], sqlite_where=claimed, postgresql_where=claimed)


def downgrade() -> None:
    op.drop_index("products_claimed", "products")
    op.drop_index("tiles_claimed", "tiles")
    op.drop_column("tiles", "claimed_until")
    op.drop_column("tiles", "claimed_by")
