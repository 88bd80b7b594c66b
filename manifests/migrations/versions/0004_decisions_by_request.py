"""Decisions know their request, the role they were asked for in, and what the policy said of the frame."""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("decisions") as batch_op:
        batch_op.add_column(sa.Column("request_id", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("role", sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column("policy_verdict", sa.String(length=16), nullable=True))
    # each row its own name, so that a decision keeps it on the way to another catalogue and back
    rows = sa.table("decisions", sa.column("decision_id", sa.BigInteger), sa.column("request_id", sa.String))
    connection = op.get_bind()
    for decision_id in connection.scalars(sa.select(rows.c.decision_id)).all():
        named = sa.update(rows).where(rows.c.decision_id == decision_id).values(request_id=uuid.uuid4().hex)
        connection.execute(named)
    with op.batch_alter_table("decisions") as batch_op:
        batch_op.alter_column("request_id", existing_type=sa.String(length=64), nullable=False)
        batch_op.create_index("decisions_by_request", ["request_id", "image_id"], unique=True)
    op.create_index("ix_claims_reviewer", "claims", ["reviewer"])


def downgrade() -> None:
    op.drop_index("ix_claims_reviewer", "claims")
    with op.batch_alter_table("decisions") as batch_op:
        batch_op.drop_index("decisions_by_request")
        batch_op.drop_column("policy_verdict")
        batch_op.drop_column("role")
        batch_op.drop_column("request_id")
