"""Requests for domains: who asks, what was said, and proofs by the DNS."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
PENDING = sa.text("state IN ('open', 'asked', 'accepted')")


def upgrade() -> None:
    op.create_table(
        "domain_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("people", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("later_until", MOMENT, nullable=True),
        sa.Column("merged_into", sa.Uuid(), nullable=True),
        sa.Column("near", sa.String(), server_default="", nullable=False),
        sa.Column("near_homeserver", sa.String(), server_default="", nullable=False),
        sa.Column("near_organisation", sa.String(), server_default="", nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("evidence_at", MOMENT, nullable=True),
        sa.Column("change_id", sa.Uuid(), nullable=True),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("refusal", sa.String(), nullable=True),
        sa.Column("note", sa.String(), server_default="", nullable=False),
        sa.Column("closed_until", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["merged_into"],
            ["domain_requests.id"],
            name=op.f("fk_domain_requests_merged_into_domain_requests"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domain_requests")),
        sa.UniqueConstraint("number", name=op.f("uq_domain_requests_number")),
    )
    op.create_index(
        "uq_domain_requests_pending",
        "domain_requests",
        ["domain"],
        unique=True,
        postgresql_where=PENDING,
        sqlite_where=PENDING,
    )
    for name, columns in (
        ("ix_domain_requests_state", ["state", "created_at", "id"]),
        ("ix_domain_requests_people", ["state", "people", "id"]),
        ("ix_domain_requests_domain", ["domain", "created_at"]),
        ("ix_domain_requests_owner", ["owner", "state"]),
        (op.f("ix_domain_requests_change_id"), ["change_id"]),
        (op.f("ix_domain_requests_merged_into"), ["merged_into"]),
    ):
        op.create_index(name, "domain_requests", columns)
    op.create_table(
        "domain_requesters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("mailbox", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("position", sa.String(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("size", sa.String(), nullable=False),
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("it_contact", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("withdrawn_at", MOMENT, nullable=True),
        sa.Column("told_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["domain_requests.id"],
            name=op.f("fk_domain_requesters_request_id_domain_requests"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domain_requesters")),
        sa.UniqueConstraint(
            "request_id", "mailbox", name=op.f("uq_domain_requesters_request_id_mailbox")
        ),
    )
    op.create_index(op.f("ix_domain_requesters_request_id"), "domain_requesters", ["request_id"])
    op.create_index("ix_domain_requesters_address", "domain_requesters", ["address"])
    op.create_index("ix_domain_requesters_mailbox", "domain_requesters", ["mailbox", "created_at"])
    op.create_table(
        "domain_messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("requester_id", sa.Uuid(), nullable=True),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["domain_requests.id"],
            name=op.f("fk_domain_messages_request_id_domain_requests"),
        ),
        sa.ForeignKeyConstraint(
            ["requester_id"],
            ["domain_requesters.id"],
            name=op.f("fk_domain_messages_requester_id_domain_requesters"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domain_messages")),
    )
    op.create_index(op.f("ix_domain_messages_request_id"), "domain_messages", ["request_id"])
    op.create_table(
        "domain_proofs",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("begun_at", MOMENT, nullable=False),
        sa.Column("next_at", MOMENT, nullable=True),
        sa.Column("looked_at", MOMENT, nullable=True),
        sa.Column("result", sa.String(), server_default="", nullable=False),
        sa.Column("found", sa.JSON(), nullable=False),
        sa.Column("server", sa.String(), server_default="", nullable=False),
        sa.Column("seen_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["domain_requests.id"],
            name=op.f("fk_domain_proofs_request_id_domain_requests"),
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_domain_proofs")),
    )
    op.create_table(
        "domain_askings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("device", sa.String(), server_default="", nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("mail_at", MOMENT, nullable=True),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.Column("token_hash", sa.String(), nullable=True),
        sa.Column("ends_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domain_askings")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_domain_askings_token_hash")),
    )
    op.create_index("ix_domain_askings_address", "domain_askings", ["address", "created_at"])
    op.create_index("ix_domain_askings_created", "domain_askings", ["created_at"])


def downgrade() -> None:
    op.drop_table("domain_askings")
    op.drop_table("domain_proofs")
    op.drop_table("domain_messages")
    op.drop_table("domain_requesters")
    op.drop_table("domain_requests")
