"""Lists of ten thousand people: how far the worker is, their numbers, and the quota they use."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

LISTS, ROWS = "people_lists", "people_list_rows"
INVITATIONS = "third_party_invitations"
MOMENT = sa.DateTime(timezone=True)
# Null in lists of before: their rows are counted.
NUMBERS = ("total", "ready_guests", "ready_agents")
REVIEWED = {
    "doubtful": sa.text("outcome != 'ready'"),
    "cautious": sa.text("outcome = 'ready' AND caution != ''"),
}


def upgrade() -> None:
    op.add_column(LISTS, sa.Column("organisation", sa.String(), server_default="", nullable=False))
    for name in NUMBERS:
        op.add_column(LISTS, sa.Column(name, sa.Integer(), nullable=True))
    op.add_column(LISTS, sa.Column("delayed_until", MOMENT, nullable=True))
    op.add_column(LISTS, sa.Column("progress", sa.Integer(), server_default="0", nullable=False))
    op.add_column(ROWS, sa.Column("mailbox", sa.String(), nullable=True))
    op.create_index(op.f("ix_people_list_rows_address"), ROWS, ["address"])
    op.create_index("ix_people_list_rows_mailbox", ROWS, ["list_id", "mailbox"])
    op.create_index("ix_people_list_rows_sent", ROWS, ["sent_at"])
    for name, which in REVIEWED.items():
        op.create_index(
            f"ix_people_list_rows_{name}",
            ROWS,
            ["list_id", "place"],
            postgresql_where=which,
            sqlite_where=which,
        )
    op.create_table(
        "people_list_days",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "day", name=op.f("pk_people_list_days")),
    )
    # Invitations of before count in the quotas of their inviters for a day more.
    op.add_column(
        INVITATIONS, sa.Column("by_list", sa.Boolean(), server_default=sa.false(), nullable=False)
    )


def downgrade() -> None:
    op.drop_column(INVITATIONS, "by_list")
    op.drop_table("people_list_days")
    for name in REVIEWED:
        op.drop_index(f"ix_people_list_rows_{name}", ROWS)
    op.drop_index("ix_people_list_rows_sent", ROWS)
    op.drop_index("ix_people_list_rows_mailbox", ROWS)
    op.drop_index(op.f("ix_people_list_rows_address"), ROWS)
    op.drop_column(ROWS, "mailbox")
    for name in ("progress", "delayed_until", *reversed(NUMBERS), "organisation"):
        op.drop_column(LISTS, name)
