"""Sessions, tokens and credentials end: sessions of people are rows, identity tokens are dated by their use."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Null: not used since it was made, as far as anybody wrote down. The version before this one goes on
    # making tokens during the upgrade.
    op.add_column(
        "identity_tokens", sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.create_table(
        "ended_accounts",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_ended_accounts")),
    )
    op.create_index(op.f("ix_ended_accounts_ended_at"), "ended_accounts", ["ended_at"])
    create_people_sessions()
    create_room_looks()
    doubt_what_modules_reported()


def downgrade() -> None:
    op.drop_table("room_looks")
    op.drop_table("people_sessions")
    op.drop_table("ended_accounts")
    with op.batch_alter_table("identity_tokens") as batch:
        batch.drop_column("last_used_at")


def create_people_sessions() -> None:
    op.create_table(
        "people_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_people_sessions_token_hash")),
    )
    op.create_index(op.f("ix_people_sessions_user_id"), "people_sessions", ["user_id"])
    op.create_index(op.f("ix_people_sessions_created_at"), "people_sessions", ["created_at"])


def create_room_looks() -> None:
    op.create_table(
        "room_looks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("room_id", sa.String(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.Column("failure", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_room_looks")),
    )
    op.create_index(op.f("ix_room_looks_asked_at"), "room_looks", ["asked_at"])


def doubt_what_modules_reported() -> None:
    """A rejected report used to prove its address all the same, and nothing tells those proofs from good ones.

    Where a module reports, what is not associated is forgotten; in a new epoch every module tells
    of all its addresses again, and this time only what is taken is proved.
    """
    connection = op.get_bind()
    reporting = connection.scalars(sa.text("SELECT DISTINCT homeserver FROM module_reports")).all()
    for homeserver in reporting:
        suffix = f":{homeserver}"
        connection.execute(
            sa.text(
                "DELETE FROM proved_addresses WHERE substr(user_id, length(user_id) - :more) = :suffix"
                " AND NOT EXISTS (SELECT 1 FROM associations AS a WHERE a.medium = 'email'"
                " AND a.address = proved_addresses.address AND a.user_id = proved_addresses.user_id)"
            ),
            {"more": len(suffix) - 1, "suffix": suffix},
        )
    if reporting:
        connection.execute(
            sa.text("UPDATE feed_state SET epoch = :epoch, judged_by = ''"),
            {"epoch": secrets.token_hex(12)},
        )
