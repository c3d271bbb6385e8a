"""Mails are counted by mailbox, may be ordered for later, tell of several invitations; people may be muted."""

import uuid
from datetime import datetime, timedelta

import sqlalchemy as sa
from alembic import op

from identity.core.clock import utc_now

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INVITATIONS = "third_party_invitations"
HALF_AN_HOUR = timedelta(minutes=30)

MAILS = sa.table(
    "mails",
    sa.column("id", sa.Uuid()),
    sa.column("template", sa.String()),
    sa.column("address", sa.String()),
    sa.column("mailbox", sa.String()),
    sa.column("subject_id", sa.Uuid()),
    sa.column("state", sa.String()),
    sa.column("created_at", sa.DateTime(timezone=True)),
    sa.column("due_at", sa.DateTime(timezone=True)),
)
INVITED = sa.table(
    INVITATIONS,
    sa.column("id", sa.Uuid()),
    sa.column("state", sa.String()),
    sa.column("mail_id", sa.Uuid()),
)
OUTBOX = sa.table(
    "outbox",
    sa.column("id", sa.Uuid()),
    sa.column("errand", sa.String()),
    sa.column("lane", sa.String()),
    sa.column("subject_id", sa.Uuid()),
    sa.column("created_at", sa.DateTime(timezone=True)),
    sa.column("due_at", sa.DateTime(timezone=True)),
    sa.column("attempts", sa.Integer()),
)


def upgrade() -> None:
    # Defaults of the database's own: the version before this one goes on writing during the upgrade.
    op.add_column("mails", sa.Column("mailbox", sa.String(), server_default="", nullable=False))
    op.add_column("mails", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("mails", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(INVITATIONS, sa.Column("mail_id", sa.Uuid(), nullable=True))
    op.execute(MAILS.update().values(mailbox=MAILS.c.address, due_at=MAILS.c.created_at))
    name_mailboxes()
    tell_of_the_withheld(utc_now() + HALF_AN_HOUR)
    op.create_index("ix_mails_mailbox", "mails", ["mailbox", "due_at"])
    op.create_index("ix_third_party_invitations_mail", INVITATIONS, ["mail_id"])
    op.create_table(
        "mutes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("mailbox_hash", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mutes")),
        sa.UniqueConstraint("mailbox_hash", "sender", name=op.f("uq_mutes_mailbox_hash_sender")),
    )


def downgrade() -> None:
    op.drop_table("mutes")
    op.drop_index("ix_third_party_invitations_mail", INVITATIONS)
    op.drop_index("ix_mails_mailbox", "mails")
    with op.batch_alter_table(INVITATIONS) as batch:
        batch.drop_column("mail_id")
    with op.batch_alter_table("mails") as batch:
        for column in ("closed_at", "due_at", "mailbox"):
            batch.drop_column(column)


def name_mailboxes() -> None:
    """What follows a plus is no part of the mailbox."""
    tagged = sa.select(MAILS.c.address).where(MAILS.c.address.like("_%+%@%")).distinct()
    for address in op.get_bind().scalars(tagged).all():
        local, _, domain = address.rpartition("@")
        name = local.partition("+")[0]
        if name:
            mailbox = f"{name}@{domain}"
            op.execute(MAILS.update().where(MAILS.c.address == address).values(mailbox=mailbox))


def tell_of_the_withheld(due_at: datetime) -> None:
    """Invitations whose mail was withheld for a digest that was not ordered yet: one is ordered, an address."""
    digest = MAILS.alias()
    withheld = (
        sa.select(MAILS.c.address, MAILS.c.id, MAILS.c.subject_id)
        .join(INVITED, INVITED.c.id == MAILS.c.subject_id)
        .where(
            MAILS.c.template == "invite",
            MAILS.c.state == "withheld",
            INVITED.c.state == "queued",
            ~sa.exists().where(
                digest.c.address == MAILS.c.address,
                digest.c.template == "invite_digest",
                digest.c.created_at >= MAILS.c.created_at,
            ),
        )
        .order_by(MAILS.c.created_at)
    )
    told_by: dict[str, uuid.UUID] = {}
    for address, mail_id, invitation_id in op.get_bind().execute(withheld).all():
        if address not in told_by:
            told_by[address] = mail_id
            digest_now = {"template": "invite_digest", "state": "waiting", "due_at": due_at}
            op.execute(MAILS.update().where(MAILS.c.id == mail_id).values(digest_now))
            entry = {"id": uuid.uuid4(), "errand": "mail", "lane": "normal", "attempts": 0}
            entry |= {"subject_id": mail_id, "created_at": due_at, "due_at": due_at}
            op.execute(OUTBOX.insert().values(entry))
        told = INVITED.update().where(INVITED.c.id == invitation_id)
        op.execute(told.values(mail_id=told_by[address]))
