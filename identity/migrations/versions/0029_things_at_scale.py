"""Indexes for the lists of the console; the health of homeservers, the rules that they hold, their jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
INVITATIONS = "third_party_invitations"
# Name, table, expression or column, and the columns that order what has the same value of it.
NEW = (
    ("ix_journal_at", "journal", "at", ("number",)),
    ("ix_journal_actor", "journal", "actor", ("number",)),
    ("ix_accounts_domain", "accounts", "domain:address", ("created_at", "id")),
    ("ix_accounts_homeserver", "accounts", "homeserver", ("created_at", "id")),
    ("ix_associations_domain", "associations", "domain:address", ("bound_at",)),
    (
        "ix_verification_requests_domain",
        "verification_requests",
        "domain:address",
        ("created_at", "id"),
    ),
    ("ix_mails_domain", "mails", "domain:address", ("created_at", "id")),
    ("ix_mails_state", "mails", "state", ("created_at", "id")),
    ("ix_mails_template", "mails", "template", ("created_at", "id")),
    ("ix_accounts_name", "accounts", "name:address", ()),
    ("ix_associations_name", "associations", "name:address", ()),
    ("ix_verification_requests_name", "verification_requests", "name:address", ()),
    (f"ix_{INVITATIONS}_name", INVITATIONS, "name:address", ()),
    (f"ix_{INVITATIONS}_created", INVITATIONS, "created_at", ("id",)),
    (f"ix_{INVITATIONS}_domain", INVITATIONS, "domain:address", ("created_at", "id")),
    (f"ix_{INVITATIONS}_homeserver", INVITATIONS, "server:sender", ("created_at", "id")),
    (f"ix_{INVITATIONS}_invitee", INVITATIONS, "server:invitee", ("delivery", "created_at", "id")),
    (f"ix_{INVITATIONS}_room", INVITATIONS, "room_id", ("created_at", "id")),
    (f"ix_{INVITATIONS}_standing", INVITATIONS, "state", ("created_at", "id")),
)
HELD = ("revision", "sent_revision")
# These had fewer columns before.
LONGER = (
    ("ix_mails_created", "mails", ["created_at"], ["created_at", "id"]),
    (
        f"ix_{INVITATIONS}_delivery",
        INVITATIONS,
        ["delivery"],
        ["delivery", "created_at", "id"],
    ),
)

POSTGRESQL = {
    "domain": "split_part({}, '@', 2)",
    "name": "replace(split_part(split_part({} COLLATE \"C\", '@', 1), '+', 1), '.', '')",
    "server": "substr({}, strpos({}, ':') + 1)",
}
LOCAL = "substr({}, 1, instr({}, '@') - 1)"
SQLITE = {
    "domain": "substr({}, instr({}, '@') + 1)",
    "name": f"replace(substr({LOCAL}, 1, instr({LOCAL} || '+', '+') - 1), '.', '')",
    "server": "substr({}, instr({}, ':') + 1)",
}


def upgrade() -> None:
    for name, table, first, rest in NEW:
        op.create_index(name, table, [_expression(first), *rest])
    for name, table, _before, after in LONGER:
        op.drop_index(name, table)
        op.create_index(name, table, after)
    where = sa.text("outcome IS NOT NULL")
    op.create_index(
        "ix_mails_outcome",
        "mails",
        ["outcome", "created_at", "id"],
        postgresql_where=where,
        sqlite_where=where,
    )
    op.create_index(
        "ix_rules_pattern_prefix",
        "rules",
        ["pattern"],
        postgresql_ops={"pattern": "text_pattern_ops"},
    )
    op.create_table(
        "homeserver_health",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("homeserver", "at", name=op.f("pk_homeserver_health")),
    )
    op.create_table(
        "journal_checks",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("checked_at", MOMENT, nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("head", sa.String(), nullable=False),
        sa.Column("faulty_row", sa.Integer(), nullable=True),
        sa.Column("fault", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_checks")),
    )
    op.create_table(
        "health_findings",
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("told", sa.String(), nullable=False),
        sa.Column("fix", sa.String(), nullable=False),
        sa.Column("found_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_health_findings")),
    )
    op.create_index(op.f("ix_health_findings_what"), "health_findings", ["what"])
    # Null until the module calls next, which is within seconds.
    for name in HELD:
        op.add_column("homeserver_modules", sa.Column(name, sa.Integer(), nullable=True))
    op.create_table(
        "module_refusal_counts",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("hour_at", MOMENT, nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "homeserver", "hour_at", "reason", name=op.f("pk_module_refusal_counts")
        ),
    )
    op.create_index(op.f("ix_module_refusal_counts_hour_at"), "module_refusal_counts", ["hour_at"])
    # Null for what calls none. Jobs of before are done or given up within days.
    op.add_column("outbox", sa.Column("homeserver", sa.String(), nullable=True))
    to_one = sa.text("homeserver IS NOT NULL AND done_at IS NULL")
    op.create_index(
        "ix_outbox_homeserver",
        "outbox",
        ["homeserver", "created_at", "id"],
        postgresql_where=to_one,
        sqlite_where=to_one,
    )


def downgrade() -> None:
    op.drop_index("ix_outbox_homeserver", "outbox")
    op.drop_column("outbox", "homeserver")
    op.drop_table("module_refusal_counts")
    for name in HELD:
        op.drop_column("homeserver_modules", name)
    op.drop_table("health_findings")
    op.drop_table("homeserver_health")
    op.drop_table("journal_checks")
    op.drop_index("ix_rules_pattern_prefix", "rules")
    op.drop_index("ix_mails_outcome", "mails")
    for name, table, before, _after in LONGER:
        op.drop_index(name, table)
        op.create_index(name, table, before)
    for name, table, _first, _rest in NEW:
        op.drop_index(name, table)


def _expression(first: str) -> str | sa.TextClause:
    """A part of an address, or the homeserver of a user ID, as this database computes it."""
    what, _, column = first.rpartition(":")
    if not what:
        return column
    parts = POSTGRESQL if op.get_bind().dialect.name == "postgresql" else SQLITE
    return sa.text(parts[what].replace("{}", column))
