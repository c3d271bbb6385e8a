"""Accounts are made by the worker: attempts, passwords on their way to it, heartbeats, breakers."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_attempts",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("called_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("was_made", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_account_attempts")),
        sa.UniqueConstraint("id", name=op.f("uq_account_attempts_id")),
    )
    op.create_table(
        "typed_passwords",
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.String(), nullable=False),
        sa.Column("typed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_typed_passwords")),
    )
    op.create_index(op.f("ix_typed_passwords_typed_at"), "typed_passwords", ["typed_at"])
    op.create_table(
        "worker_heartbeats",
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("key_ids", sa.String(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("worker", name=op.f("pk_worker_heartbeats")),
    )
    op.create_table(
        "homeserver_breakers",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("tried_again_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("homeserver", name=op.f("pk_homeserver_breakers")),
    )


def downgrade() -> None:
    for table in (
        "homeserver_breakers",
        "worker_heartbeats",
        "typed_passwords",
        "account_attempts",
    ):
        op.drop_table(table)
