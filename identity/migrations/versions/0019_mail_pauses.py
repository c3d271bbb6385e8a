"""Mails of a kind, or to a domain, that operators keep back for a while."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mail_pauses",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "domain", name=op.f("pk_mail_pauses")),
    )


def downgrade() -> None:
    op.drop_table("mail_pauses")
