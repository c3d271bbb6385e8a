"""The rules that each homeserver holds, its jobs and refusals; why the worker stopped at a change.

Each try of a mail; whose a row of the journal is; the host of a passkey; what doctor found, for every
language.
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
INVITATIONS = "third_party_invitations"
INVITEE = {
    "postgresql": "substr(invitee, strpos(invitee, ':') + 1)",
    "sqlite": "substr(invitee, instr(invitee, ':') + 1)",
}
HELD = ("revision", "sent_revision")
UNDONE = sa.text("homeserver IS NOT NULL AND done_at IS NULL")


def upgrade() -> None:
    op.add_column("changes", sa.Column("why_code", sa.String(), server_default="", nullable=False))
    op.create_index(
        f"ix_{INVITATIONS}_invitee",
        INVITATIONS,
        [sa.text(INVITEE[op.get_bind().dialect.name]), "delivery", "created_at", "id"],
    )
    op.add_column(
        "operator_passkeys", sa.Column("rp_id", sa.String(), server_default="", nullable=False)
    )
    op.create_index(op.f("ix_health_findings_what"), "health_findings", ["what"])
    op.add_column(
        "health_findings", sa.Column("code", sa.String(), server_default="", nullable=False)
    )
    op.add_column(
        "health_findings", sa.Column("told_of", sa.JSON(), server_default="{}", nullable=False)
    )
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
    op.create_index(
        "ix_outbox_homeserver",
        "outbox",
        ["homeserver", "created_at", "id"],
        postgresql_where=UNDONE,
        sqlite_where=UNDONE,
    )
    op.create_table(
        "mail_tries",
        sa.Column("mail_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("reply", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["mail_id"],
            ["mails.id"],
            name=op.f("fk_mail_tries_mail_id_mails"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("mail_id", "attempt", name=op.f("pk_mail_tries")),
    )
    # Rows of before have none: they are for operators of the whole federation.
    op.create_table(
        "journal_places",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["number"],
            ["journal.number"],
            name=op.f("fk_journal_places_number_journal"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("number", "kind", "name", name=op.f("pk_journal_places")),
    )


def downgrade() -> None:
    op.drop_table("journal_places")
    op.drop_table("mail_tries")
    op.drop_index("ix_outbox_homeserver", "outbox")
    op.drop_column("outbox", "homeserver")
    op.drop_table("module_refusal_counts")
    for name in HELD:
        op.drop_column("homeserver_modules", name)
    op.drop_column("operator_passkeys", "rp_id")
    op.drop_column("health_findings", "told_of")
    op.drop_column("health_findings", "code")
    op.drop_index(op.f("ix_health_findings_what"), "health_findings")
    op.drop_index(f"ix_{INVITATIONS}_invitee", INVITATIONS)
    op.drop_column("changes", "why_code")
