"""The first tables: homeservers, rules, requests, accounts, mails and their errands."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_accounts()
    create_associations()
    create_homeservers()
    create_mails()
    create_outbox()
    create_rule_revisions()
    create_rules()
    create_verification_requests()
    create_homeserver_credentials()


def downgrade() -> None:
    for table in (
        "homeserver_credentials",
        "verification_requests",
        "rules",
        "rule_revisions",
        "outbox",
        "mails",
        "homeservers",
        "associations",
        "accounts",
    ):
        op.drop_table(table)


def create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("account_class", sa.String(), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("creation_mark", sa.String(), nullable=False),
        sa.Column("seen_free_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("address", name=op.f("uq_accounts_address")),
        sa.UniqueConstraint("user_id", name=op.f("uq_accounts_user_id")),
    )


def create_associations() -> None:
    op.create_table(
        "associations",
        sa.Column("medium", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("medium", "address", name=op.f("pk_associations")),
    )
    op.create_index(op.f("ix_associations_user_id"), "associations", ["user_id"])


def create_homeservers() -> None:
    op.create_table(
        "homeservers",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("federation_url", sa.String(), nullable=True),
        sa.Column("ca_pem", sa.String(), nullable=True),
        sa.Column("guests", sa.Boolean(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("connector", sa.String(), nullable=False),
        sa.Column("registration_secret", sa.String(), nullable=True),
        sa.Column("admin_token", sa.String(), nullable=True),
        sa.Column("user_id_scheme", sa.String(), nullable=False),
        sa.Column("class_source", sa.String(), nullable=False),
        sa.Column("client_url", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_homeservers")),
    )


def create_mails() -> None:
    op.create_table(
        "mails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("template", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("last_reply", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
    )
    op.create_index("ix_mails_address", "mails", ["address", "created_at"])
    op.create_index("ix_mails_created", "mails", ["created_at"])


def create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("errand", sa.String(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gave_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(op.f("ix_outbox_subject_id"), "outbox", ["subject_id"])
    op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["lane", "due_at"],
        postgresql_where=sa.text("done_at IS NULL AND gave_up_at IS NULL"),
        sqlite_where=sa.text("done_at IS NULL AND gave_up_at IS NULL"),
    )


def create_rule_revisions() -> None:
    op.create_table(
        "rule_revisions",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("based_on", sa.Integer(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("summary", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_rule_revisions")),
    )


def create_rules() -> None:
    op.create_table(
        "rules",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("since_revision", sa.Integer(), nullable=False),
        sa.Column("until_revision", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("pattern", sa.String(), nullable=False),
        sa.Column("account_class", sa.String(), nullable=False),
        sa.Column("homeserver", sa.String(), nullable=True),
        sa.Column("requires_invite", sa.Boolean(), nullable=False),
        sa.Column("protected_homeserver", sa.String(), nullable=True),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("sibling_of", sa.String(), nullable=True),
        sa.Column("moved_from", sa.JSON(), nullable=False),
        sa.Column("moving_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rules")),
    )
    op.create_index(op.f("ix_rules_since_revision"), "rules", ["since_revision"])
    op.create_index(op.f("ix_rules_until_revision"), "rules", ["until_revision"])
    op.create_index(
        "uq_rules_in_force",
        "rules",
        ["kind", "pattern"],
        unique=True,
        postgresql_where=sa.text("until_revision IS NULL"),
        sqlite_where=sa.text("until_revision IS NULL"),
    )


def create_verification_requests() -> None:
    op.create_table(
        "verification_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("browser", sa.String(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("reality", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("homeserver", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("code_generation", sa.Integer(), nullable=False),
        sa.Column("code_made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries_left", sa.Integer(), nullable=False),
        sa.Column("wrong_tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verification_requests")),
        sa.UniqueConstraint(
            "browser", "ordinal", name=op.f("uq_verification_requests_browser_ordinal")
        ),
    )
    op.create_index(
        "ix_verification_requests_address", "verification_requests", ["address", "created_at"]
    )


def create_homeserver_credentials() -> None:
    op.create_table(
        "homeserver_credentials",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("homeserver", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["homeserver"],
            ["homeservers.name"],
            name=op.f("fk_homeserver_credentials_homeserver_homeservers"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_homeserver_credentials")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_homeserver_credentials_token_hash")),
    )
    op.create_index(
        op.f("ix_homeserver_credentials_homeserver"), "homeserver_credentials", ["homeserver"]
    )
