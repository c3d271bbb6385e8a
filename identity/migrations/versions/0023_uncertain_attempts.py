"""Jobs count the attempts whose end is not known, so that a mail that may arrive twice is seen."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    uncertain = sa.Column("uncertain", sa.Integer(), server_default="0", nullable=False)
    op.add_column("outbox", uncertain)


def downgrade() -> None:
    with op.batch_alter_table("outbox") as table:
        table.drop_column("uncertain")
