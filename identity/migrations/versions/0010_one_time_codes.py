"""One place for one-time codes; requests hold no code, and know who refused them and with what they were asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
# Codes that are out have six digits and end here: the page of an open request offers a new mail.
OLD_COUNTERS = {
    "verification_requests": ("code_generation", "code_made_at", "tries_left", "wrong_tries"),
    "validation_sessions": ("code_generation", "tries_left", "wrong_tries"),
    "third_party_invitations": ("code_generation", "code_made_at", "tries_left", "wrong_tries"),
    "list_sign_ins": ("tries_left",),
}


def upgrade() -> None:
    _create_tables()
    with op.batch_alter_table("verification_requests") as table:
        table.add_column(sa.Column("browser_before", sa.String()))
        table.add_column(sa.Column("mail_at", TIME))
        table.add_column(sa.Column("device", sa.String(), nullable=False, server_default=""))
        table.add_column(sa.Column("refused_at", TIME))
        table.add_column(sa.Column("refused_by", sa.String()))
        table.alter_column("asked_at", existing_type=TIME, nullable=True)
        table.drop_column("reality")
    op.create_index(
        "ix_verification_requests_browser_before", "verification_requests", ["browser_before"]
    )
    op.execute("UPDATE verification_requests SET mail_at = asked_at")
    # A request that nobody confirmed had been used up with its address, and its browser saw that.
    op.execute(
        "UPDATE verification_requests SET state = 'open'"
        " WHERE state = 'used' AND confirmed_at IS NULL"
    )
    with op.batch_alter_table("list_sign_ins") as table:
        table.add_column(sa.Column("mail_at", TIME))
        table.add_column(sa.Column("device", sa.String(), nullable=False, server_default=""))
    op.execute(
        "UPDATE list_sign_ins SET mail_at = created_at, user_id = NULL WHERE used_at IS NULL"
    )
    for name, columns in OLD_COUNTERS.items():
        with op.batch_alter_table(name) as table:
            for column in columns:
                table.drop_column(column)


def _create_tables() -> None:
    op.create_table(
        "one_time_codes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("digits", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.String()),
        sa.Column("alive_until", TIME, nullable=False),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("wrong_held", sa.Integer(), nullable=False),
        sa.Column("used_at", TIME),
        sa.Column("used_by", sa.String()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_codes")),
        sa.UniqueConstraint(
            "purpose",
            "subject",
            "generation",
            name=op.f("uq_one_time_codes_purpose_subject_generation"),
        ),
    )
    _create_counters()


def _create_counters() -> None:
    op.create_table(
        "wrong_code_tries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("near", sa.String(), nullable=False),
        sa.Column("far", sa.String(), nullable=False),
        sa.Column("guessed_digits", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wrong_code_tries")),
    )
    for column in ("purpose", "address", "near", "far"):
        op.create_index(f"ix_wrong_code_tries_{column}", "wrong_code_tries", [column, "at"])
    op.create_table(
        "code_alarms",
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.PrimaryKeyConstraint("purpose", name=op.f("pk_code_alarms")),
    )


def downgrade() -> None:
    for name in ("code_alarms", "wrong_code_tries", "one_time_codes"):
        op.drop_table(name)
    _put_counters_back()
    with op.batch_alter_table("list_sign_ins") as table:
        table.drop_column("device")
        table.drop_column("mail_at")
    op.drop_index("ix_verification_requests_browser_before", "verification_requests")
    op.execute("UPDATE verification_requests SET asked_at = created_at WHERE asked_at IS NULL")
    with op.batch_alter_table("verification_requests") as table:
        for column in ("refused_by", "refused_at", "device", "mail_at", "browser_before"):
            table.drop_column(column)
        table.alter_column("asked_at", existing_type=TIME, nullable=False)
        table.add_column(sa.Column("reality", sa.String(), nullable=False, server_default="verify"))


def _put_counters_back() -> None:
    for name, columns in OLD_COUNTERS.items():
        with op.batch_alter_table(name) as table:
            for column in columns:
                if column == "code_made_at":
                    table.add_column(sa.Column(column, TIME))
                else:
                    start = {"tries_left": "0", "wrong_tries": "0"}.get(column, "1")
                    table.add_column(
                        sa.Column(column, sa.Integer(), nullable=False, server_default=start)
                    )
    op.execute("UPDATE verification_requests SET code_made_at = created_at")
