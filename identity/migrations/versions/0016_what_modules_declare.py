"""What homeservers' modules say that they can do, and what they say of rooms before a mail leaves."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "homeserver_modules",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reports", sa.String(), nullable=False),
        sa.Column("actions", sa.String(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["homeserver"],
            ["homeservers.name"],
            name=op.f("fk_homeserver_modules_homeserver_homeservers"),
        ),
        sa.PrimaryKeyConstraint("homeserver", name=op.f("pk_homeserver_modules")),
    )
    # Null: the room has it. So it is of what is there, and of what the running version writes meanwhile.
    op.add_column("third_party_invitations", sa.Column("awaits", sa.String(), nullable=True))
    # Asked at every poll of a module: a few rows of many.
    unknown = sa.text("happened = 'unknown_inviter'")
    op.create_index(
        "ix_invitation_events_unknown_inviter",
        "invitation_events",
        ["at"],
        postgresql_where=unknown,
        sqlite_where=unknown,
    )
    op.create_table(
        "room_members",
        sa.Column("room_id", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("room_id", "user_id", name=op.f("pk_room_members")),
    )
    op.create_index(op.f("ix_room_members_user_id"), "room_members", ["user_id"])


def downgrade() -> None:
    op.drop_table("room_members")
    op.drop_index("ix_invitation_events_unknown_inviter", "invitation_events")
    # An older version knows no such errand: what waited for its room is not mailed, until somebody invites again.
    op.execute("DELETE FROM outbox WHERE errand = 'room_took'")
    op.drop_column("third_party_invitations", "awaits")
    op.drop_table("homeserver_modules")
