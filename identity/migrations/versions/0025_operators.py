"""Operators of the console: how they sign in, their sessions, second factors, links and tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "operators",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("mail", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("organisations", sa.JSON(), nullable=False),
        sa.Column("homeservers", sa.JSON(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=True),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("disabled_at", MOMENT, nullable=True),
        sa.Column("unconfirmed_at", MOMENT, nullable=True),
        sa.Column("seen_at", MOMENT, nullable=True),
        sa.Column("wrong_factors", sa.Integer(), nullable=False),
        sa.Column("locks", sa.Integer(), nullable=False),
        sa.Column("locked_until", MOMENT, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operators")),
        sa.UniqueConstraint("mail", name=op.f("uq_operators_mail")),
        sa.UniqueConstraint("name", name=op.f("uq_operators_name")),
    )
    op.create_index("uq_operators_subject", "operators", ["issuer", "subject"], unique=True)
    op.create_table(
        "operator_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("proved_at", MOMENT, nullable=True),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("network", sa.String(), nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("id_token", sa.String(), nullable=True),
        *_of_an_operator("operator_sessions"),
        sa.UniqueConstraint("token_hash", name=op.f("uq_operator_sessions_token_hash")),
    )
    _index_operator("operator_sessions")
    op.create_table(
        "operator_factors",
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("confirmed_at", MOMENT, nullable=True),
        sa.Column("last_counter", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        *_of_an_operator("operator_factors", key="operator_id"),
    )
    op.create_table(
        "operator_recovery_codes",
        sa.Column("code_hash", sa.String(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        *_of_an_operator("operator_recovery_codes", key="code_hash"),
    )
    _index_operator("operator_recovery_codes")
    op.create_table(
        "operator_passkeys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("credential_id", sa.String(), nullable=False),
        sa.Column("public_key", sa.String(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        *_of_an_operator("operator_passkeys"),
        sa.UniqueConstraint("credential_id", name=op.f("uq_operator_passkeys_credential_id")),
    )
    _index_operator("operator_passkeys")
    op.create_table(
        "operator_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        *_of_an_operator("operator_links"),
        sa.UniqueConstraint("token_hash", name=op.f("uq_operator_links_token_hash")),
    )
    _index_operator("operator_links")
    op.create_table(
        "admin_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("organisations", sa.JSON(), nullable=False),
        sa.Column("homeservers", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("told_at", MOMENT, nullable=True),
        *_of_an_operator("admin_tokens"),
        sa.UniqueConstraint("name", name=op.f("uq_admin_tokens_name")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_admin_tokens_token_hash")),
    )
    _index_operator("admin_tokens")
    op.create_table(
        "operator_sign_ins",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("mail", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("mail_at", MOMENT, nullable=True),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_sign_ins")),
    )
    op.create_index("ix_operator_sign_ins_mail", "operator_sign_ins", ["mail", "created_at"])
    op.create_table(
        "operator_notices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=True),
        *_of_an_operator("operator_notices"),
    )
    _index_operator("operator_notices")
    op.create_table(
        "kept_forms",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.String(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        *_of_an_operator("kept_forms"),
    )
    _index_operator("kept_forms")
    _create_sso()
    _create_challenges()


def downgrade() -> None:
    op.drop_table("passkey_challenges")
    op.drop_table("sso_states")
    op.drop_table("sso_providers")
    op.drop_table("kept_forms")
    op.drop_table("operator_notices")
    op.drop_table("operator_sign_ins")
    op.drop_table("admin_tokens")
    op.drop_table("operator_links")
    op.drop_table("operator_passkeys")
    op.drop_table("operator_recovery_codes")
    op.drop_table("operator_factors")
    op.drop_table("operator_sessions")
    op.drop_table("operators")


def _create_sso() -> None:
    op.create_table(
        "sso_providers",
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=True),
        sa.Column("keys", sa.JSON(), nullable=True),
        sa.Column("read_at", MOMENT, nullable=True),
        sa.Column("tried_at", MOMENT, nullable=True),
        sa.Column("asked_at", MOMENT, nullable=True),
        sa.Column("fault", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", name=op.f("pk_sso_providers")),
    )
    op.create_table(
        "sso_states",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state_hash", sa.String(), nullable=False),
        sa.Column("browser_hash", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("nonce", sa.String(), nullable=False),
        sa.Column("sealed", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sso_states")),
        sa.UniqueConstraint("state_hash", name=op.f("uq_sso_states_state_hash")),
    )
    op.create_index("ix_sso_states_ends_at", "sso_states", ["ends_at"])


def _create_challenges() -> None:
    op.create_table(
        "passkey_challenges",
        sa.Column("challenge_hash", sa.String(), nullable=False),
        sa.Column("browser_hash", sa.String(), nullable=False),
        sa.Column("ceremony", sa.String(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("challenge_hash", name=op.f("pk_passkey_challenges")),
    )
    op.create_index("ix_passkey_challenges_ends_at", "passkey_challenges", ["ends_at"])


def _of_an_operator(table: str, *, key: str = "id") -> tuple[sa.Constraint, ...]:
    own = op.f(f"fk_{table}_operator_id_operators")
    return (
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=own),
        sa.PrimaryKeyConstraint(key, name=op.f(f"pk_{table}")),
    )


def _index_operator(table: str) -> None:
    op.create_index(op.f(f"ix_{table}_operator_id"), table, ["operator_id"])
