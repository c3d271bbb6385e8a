"""Which further signs agents of a rule may have before the @."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rules", sa.Column("extra_signs", sa.String(), server_default="", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("rules") as table:
        table.drop_column("extra_signs")
