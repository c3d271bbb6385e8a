"""Operators sign in by an OpenID provider."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "sso_providers",
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=True),
        sa.Column("keys", sa.JSON(), nullable=True),
        sa.Column("read_at", MOMENT, nullable=True),
        sa.Column("tried_at", MOMENT, nullable=True),
        sa.Column("asked_at", MOMENT, nullable=True),
        sa.Column("fault", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", name=op.f("pk_sso_providers")),
    )
    op.create_table(
        "sso_states",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state_hash", sa.String(), nullable=False),
        sa.Column("browser_hash", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("nonce", sa.String(), nullable=False),
        sa.Column("sealed", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sso_states")),
        sa.UniqueConstraint("state_hash", name=op.f("uq_sso_states_state_hash")),
    )
    op.create_index("ix_sso_states_ends_at", "sso_states", ["ends_at"])
    with op.batch_alter_table("operator_sessions") as table:
        table.add_column(sa.Column("id_token", sa.String(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("operator_sessions") as table:
        table.drop_column("id_token")
    op.drop_table("sso_states")
    op.drop_table("sso_providers")
