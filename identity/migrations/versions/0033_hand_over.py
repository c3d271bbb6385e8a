"""Where Matrix clients find a homeserver, and the link for telephones."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

COLUMNS = ("base_url", "phone_url")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("homeservers", sa.Column(name, sa.String(), nullable=True))


def downgrade() -> None:
    for name in reversed(COLUMNS):
        op.drop_column("homeservers", name)
