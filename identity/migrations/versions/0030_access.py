"""Operators sign in by a mailed code, are told by mail what concerns them, and lose no typed form."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("operators", sa.Column("unconfirmed_at", MOMENT, nullable=True))
    op.create_table(
        "operator_sign_ins",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("mail", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("mail_at", MOMENT, nullable=True),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_sign_ins")),
    )
    op.create_index("ix_operator_sign_ins_mail", "operator_sign_ins", ["mail", "created_at"])
    op.create_table(
        "operator_notices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=True),
        *_of_an_operator("operator_notices"),
    )
    _index_operator("operator_notices")
    op.create_table(
        "kept_forms",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.String(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        *_of_an_operator("kept_forms"),
    )
    _index_operator("kept_forms")


def downgrade() -> None:
    op.drop_table("kept_forms")
    op.drop_table("operator_notices")
    op.drop_table("operator_sign_ins")
    op.drop_column("operators", "unconfirmed_at")


def _of_an_operator(table: str) -> tuple[sa.Constraint, ...]:
    own = op.f(f"fk_{table}_operator_id_operators")
    return (
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=own),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )


def _index_operator(table: str) -> None:
    op.create_index(op.f(f"ix_{table}_operator_id"), table, ["operator_id"])
