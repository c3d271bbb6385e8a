"""What homeservers' modules say that they can do, and when they were last heard."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "homeserver_modules",
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reports", sa.String(), nullable=False),
        sa.Column("actions", sa.String(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["homeserver"],
            ["homeservers.name"],
            name=op.f("fk_homeserver_modules_homeserver_homeservers"),
        ),
        sa.PrimaryKeyConstraint("homeserver", name=op.f("pk_homeserver_modules")),
    )


def downgrade() -> None:
    op.drop_table("homeserver_modules")
