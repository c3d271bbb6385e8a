"""What the modules in homeservers are told, and what they report."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feed_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("judged_by", sa.String(), nullable=False),
        sa.Column("judged_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_state")),
    )
    create_agents_feed()
    create_proved_addresses()
    create_reports()


def downgrade() -> None:
    for table in (
        "module_refusals",
        "module_reports",
        "proved_addresses",
        "agents_feed",
        "feed_state",
    ):
        op.drop_table(table)


def create_agents_feed() -> None:
    op.create_table(
        "agents_feed",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("is_agent", sa.Boolean(), nullable=False),
        sa.Column("is_to_be_judged", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_agents_feed")),
    )
    op.create_index(op.f("ix_agents_feed_number"), "agents_feed", ["number"])
    op.create_index(
        "ix_agents_feed_to_be_judged",
        "agents_feed",
        ["is_to_be_judged"],
        postgresql_where=sa.text("is_to_be_judged IS true"),
        sqlite_where=sa.text("is_to_be_judged IS 1"),
    )


def create_proved_addresses() -> None:
    op.create_table(
        "proved_addresses",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("proved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "address", name=op.f("pk_proved_addresses")),
    )
    op.create_index(op.f("ix_proved_addresses_address"), "proved_addresses", ["address"])
    # Until now nothing was associated without a proof, and no proof was kept for itself.
    op.execute(
        "INSERT INTO proved_addresses (user_id, address, proved_at)"
        " SELECT user_id, address, bound_at FROM associations WHERE medium = 'email'"
    )
    op.execute(
        "INSERT INTO proved_addresses (user_id, address, proved_at)"
        " SELECT user_id, address, created_at FROM accounts WHERE state = 'ready'"
        " AND NOT EXISTS (SELECT 1 FROM proved_addresses AS there"
        " WHERE there.user_id = accounts.user_id AND there.address = accounts.address)"
    )


def create_reports() -> None:
    op.create_table(
        "module_reports",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("homeserver", "id", name=op.f("pk_module_reports")),
    )
    op.create_index(op.f("ix_module_reports_received_at"), "module_reports", ["received_at"])
    op.create_table(
        "module_refusals",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "reason", name=op.f("pk_module_refusals")),
    )
    op.create_index(op.f("ix_module_refusals_last_at"), "module_refusals", ["last_at"])
