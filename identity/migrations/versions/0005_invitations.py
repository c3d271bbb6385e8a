"""Invitations have a state, a code and a history; guests a sponsor; addresses may refuse mail."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INVITATIONS = "third_party_invitations"


def upgrade() -> None:
    # Defaults of the database's own: the version before this one goes on writing during the upgrade.
    for column in (
        sa.Column("state", sa.String(), server_default="queued", nullable=False),
        sa.Column("language", sa.String(), server_default="", nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("code_generation", sa.Integer(), server_default="1", nullable=False),
        sa.Column("code_made_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries_left", sa.Integer(), server_default="5", nullable=False),
        sa.Column("wrong_tries", sa.Integer(), server_default="0", nullable=False),
    ):
        op.add_column(INVITATIONS, column)
    set_states()
    op.add_column("accounts", sa.Column("sponsor", sa.String(), nullable=True))
    op.add_column(
        "accounts", sa.Column("access_ends_at", sa.DateTime(timezone=True), nullable=True)
    )
    create_events()
    create_suppressions()


def downgrade() -> None:
    op.drop_table("suppressions")
    op.drop_table("invitation_events")
    for table, columns in (
        ("accounts", ("access_ends_at", "sponsor")),
        (
            INVITATIONS,
            (
                *("wrong_tries", "tries_left", "code_made_at", "code_generation"),
                *("reminded_at", "ended_at", "asked_at", "language", "state"),
            ),
        ),
    ):
        with op.batch_alter_table(table) as batch:
            for column in columns:
                batch.drop_column(column)


def set_states() -> None:
    """What is there was told by its delivery alone."""
    table = sa.table(
        INVITATIONS, sa.column("state", sa.String()), sa.column("delivery", sa.String())
    )
    for delivery, state in (
        ("due", "accepted"),
        ("sending", "accepted"),
        ("dead", "accepted"),
        ("delivered", "delivered"),
        ("superseded", "delivered"),
    ):
        op.execute(table.update().where(table.c.delivery == delivery).values(state=state))


def create_events() -> None:
    op.create_table(
        "invitation_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("happened", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["invitation_id"],
            ["third_party_invitations.id"],
            name=op.f("fk_invitation_events_invitation_id_third_party_invitations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation_events")),
    )
    table = "invitation_events"
    op.create_index("ix_invitation_events_invitation", table, ["invitation_id", "at"])


def create_suppressions() -> None:
    op.create_table(
        "suppressions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("address_hash", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("strikes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
        sa.UniqueConstraint("address_hash", "why", name=op.f("uq_suppressions_address_hash_why")),
    )
