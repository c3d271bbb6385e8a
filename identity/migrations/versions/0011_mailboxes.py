"""Mails are counted by mailbox, and may be ordered for later."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

MAILS = sa.table(
    "mails",
    sa.column("address", sa.String()),
    sa.column("mailbox", sa.String()),
    sa.column("created_at", sa.DateTime(timezone=True)),
    sa.column("due_at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    # Defaults of the database's own: the version before this one goes on writing during the upgrade.
    op.add_column("mails", sa.Column("mailbox", sa.String(), server_default="", nullable=False))
    op.add_column("mails", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(MAILS.update().values(mailbox=MAILS.c.address, due_at=MAILS.c.created_at))
    name_mailboxes()
    op.create_index("ix_mails_mailbox", "mails", ["mailbox", "due_at"])


def downgrade() -> None:
    op.drop_index("ix_mails_mailbox", "mails")
    with op.batch_alter_table("mails") as batch:
        batch.drop_column("due_at")
        batch.drop_column("mailbox")


def name_mailboxes() -> None:
    """What follows a plus is no part of the mailbox."""
    tagged = sa.select(MAILS.c.address).where(MAILS.c.address.like("_%+%@%")).distinct()
    for address in op.get_bind().scalars(tagged).all():
        local, _, domain = address.rpartition("@")
        name = local.partition("+")[0]
        if name:
            mailbox = f"{name}@{domain}"
            op.execute(MAILS.update().where(MAILS.c.address == address).values(mailbox=mailbox))
