"""Answers to calls of the admin API that are kept for a day, so that a call sent twice is done once."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idempotent_answers",
        sa.Column("token_id", sa.Uuid(), nullable=False),
        sa.Column("key_hash", sa.String(), nullable=False),
        sa.Column("request_hash", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("token_id", "key_hash", name=op.f("pk_idempotent_answers")),
    )
    op.create_index(op.f("ix_idempotent_answers_made_at"), "idempotent_answers", ["made_at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_idempotent_answers_made_at"), table_name="idempotent_answers")
    op.drop_table("idempotent_answers")
