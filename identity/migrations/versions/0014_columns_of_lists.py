"""Which column of a list holds the addresses, and what the others would give before one is chosen."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Without a copy of the tables, which on SQLite would take their rows along.
    op.add_column("people_lists", sa.Column("address_column", sa.Integer(), nullable=True))
    # Lists that were read before had every address of theirs in their rows.
    op.execute("UPDATE people_lists SET address_column = 1")
    op.add_column("people_lists", _text("column_name"))
    op.add_column(
        "people_lists", sa.Column("elsewhere", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("people_list_rows", _text("aside"))
    op.create_table(
        "people_list_columns",
        sa.Column("list_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("examples", sa.JSON(), nullable=False),
        sa.Column("addresses", sa.Integer(), nullable=False),
        sa.Column("elsewhere", sa.Integer(), nullable=False),
        sa.Column("rows", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["list_id"],
            ["people_lists.id"],
            name=op.f("fk_people_list_columns_list_id_people_lists"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("list_id", "number", name=op.f("pk_people_list_columns")),
    )


def downgrade() -> None:
    op.drop_table("people_list_columns")
    op.drop_column("people_list_rows", "aside")
    for column in ("elsewhere", "column_name", "address_column"):
        op.drop_column("people_lists", column)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False, server_default="")
