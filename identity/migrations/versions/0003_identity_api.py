"""Signing keys, tokens of Matrix users and the terms they accepted, hashes for lookups."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "homeservers",
        sa.Column("insecure", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    create_signing_keys()
    create_accounts()
    create_lookup()


def downgrade() -> None:
    for table in (
        "lookup_hashes",
        "lookup_peppers",
        "accepted_terms",
        "identity_tokens",
        "signing_keys",
    ):
        op.drop_table(table)
    op.drop_column("homeservers", "insecure")


def create_signing_keys() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("public_key", sa.String(), nullable=False),
        sa.Column("sealed_seed", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_signing_keys")),
        sa.UniqueConstraint("key_id", name=op.f("uq_signing_keys_key_id")),
        sa.UniqueConstraint("public_key", name=op.f("uq_signing_keys_public_key")),
    )


def create_accounts() -> None:
    op.create_table(
        "identity_tokens",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_identity_tokens")),
    )
    op.create_index(op.f("ix_identity_tokens_user_id"), "identity_tokens", ["user_id"])
    op.create_table(
        "accepted_terms",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "url", name=op.f("pk_accepted_terms")),
    )


def create_lookup() -> None:
    op.create_table(
        "lookup_peppers",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pepper", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("in_force_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_lookup_peppers")),
        sa.UniqueConstraint("pepper", name=op.f("uq_lookup_peppers_pepper")),
    )
    op.create_table(
        "lookup_hashes",
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("pepper_number", sa.Integer(), nullable=False),
        sa.Column("medium", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["medium", "address"],
            ["associations.medium", "associations.address"],
            name=op.f("fk_lookup_hashes_medium_associations"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["pepper_number"],
            ["lookup_peppers.number"],
            name=op.f("fk_lookup_hashes_pepper_number_lookup_peppers"),
        ),
        sa.PrimaryKeyConstraint("hash", "pepper_number", name=op.f("pk_lookup_hashes")),
    )
    op.create_index("ix_lookup_hashes_association", "lookup_hashes", ["medium", "address"])
