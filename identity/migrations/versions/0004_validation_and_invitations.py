"""Validation sessions of Matrix clients, and third-party invitations with their delivery."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_validation_sessions()
    create_third_party_invitations()


def downgrade() -> None:
    op.drop_table("third_party_invitations")
    op.drop_table("validation_sessions")


def create_validation_sessions() -> None:
    op.create_table(
        "validation_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("secret_hash", sa.String(), nullable=False),
        sa.Column("sealed_secret", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("send_attempt", sa.BigInteger(), nullable=False),
        sa.Column("next_link", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("validated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("code_generation", sa.Integer(), nullable=False),
        sa.Column("tries_left", sa.Integer(), nullable=False),
        sa.Column("wrong_tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_validation_sessions")),
    )
    table = "validation_sessions"
    op.create_index("ix_validation_sessions_address", table, ["address", "created_at"])
    op.create_index("ix_validation_sessions_user", table, ["user_id", "created_at"])


def create_third_party_invitations() -> None:
    op.create_table(
        "third_party_invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("room_id", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("public_key", sa.String(), nullable=False),
        sa.Column("sealed_key", sa.String(), nullable=False),
        sa.Column("signing_key_id", sa.String(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("for_guest", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivery", sa.String(), nullable=False),
        sa.Column("invitee", sa.String(), nullable=True),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_third_party_invitations")),
        sa.UniqueConstraint("token", name=op.f("uq_third_party_invitations_token")),
        sa.UniqueConstraint("public_key", name=op.f("uq_third_party_invitations_public_key")),
    )
    table = "third_party_invitations"
    op.create_index("ix_third_party_invitations_address", table, ["address", "created_at"])
    op.create_index("ix_third_party_invitations_sender", table, ["sender", "created_at"])
    op.create_index("ix_third_party_invitations_delivery", table, ["delivery"])
