"""A key for hashes that outlive links, and the mailboxes of services that read several spellings as one."""

import sqlalchemy as sa
from alembic import op

from domain_rules.addresses import EmailAddress
from domain_rules.same_mailbox import SERVICES

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

MAILS = sa.table("mails", sa.column("address", sa.String()), sa.column("mailbox", sa.String()))


def upgrade() -> None:
    # Its row is made by what has the storage keys: `guichet db upgrade`, the worker, or whoever needs it first.
    op.create_table(
        "hashing_key",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sealed_keys", sa.String(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hashing_key")),
    )
    for domain in SERVICES:
        there = sa.select(MAILS.c.address).where(MAILS.c.address.endswith(f"@{domain}"))
        for address in op.get_bind().scalars(there.distinct()).all():
            mailbox = EmailAddress.stored(address).mailbox_key()
            op.execute(MAILS.update().where(MAILS.c.address == address).values(mailbox=mailbox))


def downgrade() -> None:
    # What was hashed with it cannot be found any more: nothing that looks right must stay.
    op.execute("DELETE FROM mutes WHERE mailbox_hash LIKE '2.%'")
    op.execute("DELETE FROM suppressions WHERE address_hash LIKE '2.%'")
    op.drop_table("hashing_key")
