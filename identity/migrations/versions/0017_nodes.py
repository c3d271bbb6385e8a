"""What every process reports of itself, when tasks ran, and how the last mails ended."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

NODE_COLUMNS = (
    sa.Column("kind", sa.String(), nullable=False, server_default="worker"),
    sa.Column("host", sa.String(), nullable=False, server_default=""),
    sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
    sa.Column("version", sa.String(), nullable=False, server_default=""),
    sa.Column("schema", sa.String(), nullable=False, server_default=""),
    sa.Column("rules_revision", sa.Integer(), nullable=True),
    sa.Column("fingerprints", sa.String(), nullable=False, server_default="{}"),
    sa.Column("clock_offset", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("lanes", sa.String(), nullable=False, server_default=""),
    sa.Column("faults", sa.String(), nullable=False, server_default=""),
)
# Few rows of many: what waits, what has ended, what is held.
INDEXES = (
    ("ix_outbox_age", "outbox", ["created_at"], "done_at IS NULL AND gave_up_at IS NULL"),
    ("ix_mails_ended", "mails", ["ended_at"], "ended_at IS NOT NULL"),
    (
        "ix_third_party_invitations_held",
        "third_party_invitations",
        ["created_at"],
        "awaits IS NOT NULL",
    ),
)


def upgrade() -> None:
    for column in NODE_COLUMNS:
        op.add_column("worker_heartbeats", column)
    op.create_table(
        "timetable_runs",
        sa.Column("task", sa.String(), nullable=False),
        sa.Column("known_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.String(), nullable=False, server_default=""),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("task", name=op.f("pk_timetable_runs")),
    )
    op.add_column("mails", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    for name, table, columns, which in INDEXES:
        where = sa.text(which)
        op.create_index(name, table, columns, postgresql_where=where, sqlite_where=where)


def downgrade() -> None:
    for name, table, _, _ in reversed(INDEXES):
        op.drop_index(name, table)
    op.drop_column("mails", "ended_at")
    op.drop_table("timetable_runs")
    # Version 0.1.0 takes every row for a worker.
    op.execute("DELETE FROM worker_heartbeats WHERE kind <> 'worker'")
    for column in reversed(NODE_COLUMNS):
        op.drop_column("worker_heartbeats", column.name)
