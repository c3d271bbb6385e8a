"""What a downgrade would lose: tables and columns that the older schema has not, and their rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command
from sqlalchemy import Connection, column, func, inspect, literal_column, select, table

from identity.core.database import make_engine

from .configuring import alembic_config

# Processes and migrations write these tables anew by themselves.
TRANSIENT = {
    *("worker_heartbeats", "timetable_runs", "installation", "key_uses"),
    *("health_findings", "homeserver_health", "journal_checks", "module_refusal_counts"),
    "idempotent_answers",  # a call sent again after the downgrade is done again, as without a key
    *("sso_providers", "sso_states"),
    "passkey_challenges",  # a browser asks for another
}
# These tables and columns say when a thing ended, with which request it began, which homeserver it
# calls or what it holds, how each try ended, or how often an end was not known: for pages, logs,
# figures and marks alone.
# (When a job was held or let go says nothing without `held_by`.)
BOOKKEEPING = {
    *("journal_places", "mail_tries"),
    *("people_lists.organisation", "people_lists.total", "people_lists.progress"),
    *("people_lists.ready_guests", "people_lists.ready_agents", "people_lists.delayed_until"),
    "people_list_rows.mailbox",
    "changes.why_code",
    "homeserver_modules.revision",
    "homeserver_modules.sent_revision",
    "mails.ended_at",
    "mails.trace_id",
    "operator_passkeys.rp_id",
    "outbox.held_at",
    "outbox.homeserver",
    "outbox.released_at",
    "outbox.trace_id",
    "outbox.uncertain",
    "verification_requests.trace_id",
}
MEANINGS = {
    "change_effects": "whom a change of rules affects is counted again",
    "change_lines": "changes of rules that wait are lost; what is in force stays",
    "change_touches": "what a change of rules touches is recorded again by its check",
    "changes": "changes of rules that wait or are scheduled are lost; what is in force stays",
    "domain_askings": "who asks for their domain needs the code of a new mail",
    "domain_messages": "questions about requests for domains, and their answers, are gone",
    "domain_proofs": "proofs of domains begin anew",
    "domain_requesters": "nobody knows any more who asked for a domain, and nobody is told",
    "domain_requests": "requests for domains, and decisions about them, are gone",
    "freezes": "what is frozen goes on",
    "inviter_blocks": "blocked inviters may invite again",
    "mail_pauses": "paused mails leave",
    "lost_invitations": "nobody knows any more which invitations a restore lost",
    "homeservers.base_url": "links to clients, and doctor, know no base URL but the URL",
    "homeservers.phone_url": "homeservers have no link for telephones",
    "homeservers.held_at": "homeservers on hold are called again",
    "homeservers.held_until": "homeservers on hold are called again",
    "homeservers.suspended_at": "suspended homeservers, and their people, are heard again",
    "homeservers.retired_at": "accounts are made again on retired homeservers",
    "people_list_days": "what lists have used of the quotas of their organisations is forgotten",
    "third_party_invitations.by_list": "invitations of lists count in the quotas of their inviters",
    "person_files": "person files of the console are to be opened again",
    "outbox.held_by": "held jobs are carried out",
    "rule_imports": "files of rules that wait to be read are to be sent again",
    "operators": "nobody can sign in to the console",
    "operator_factors": "operators have no second factor",
    "operator_recovery_codes": "recovery codes are useless",
    "operator_passkeys": "operators sign in without passkeys, and add them anew later",
    "operator_sessions": "operators are signed out",
    "operator_sign_ins": "codes that operators asked for are useless",
    "operator_links": "links that operators were given are useless",
    "operator_notices": "mails to operators that wait are not sent",
    "admin_tokens": "API tokens are useless",
    "kept_forms": "forms kept for operators who were signed out are gone",
}
"""What follows when the older version runs without it, by table or `table.column`."""
VERSIONS = "alembic_version"

Columns = Mapping[str, set[str]]
"""The columns of each table."""


@dataclass(frozen=True)
class Loss:
    """A table, or a column of one, with the number of rows that have something in it."""

    table: str
    column: str | None
    rows: int

    @property
    def name(self) -> str:
        """`table` or `table.column`."""
        return f"{self.table}.{self.column}" if self.column else self.table

    @property
    def meaning(self) -> str:
        """What follows, where it is known."""
        return MEANINGS.get(self.name, "")

    def __str__(self) -> str:
        said = f"{self.name} ({self.rows} row{'s' if self.rows != 1 else ''})"
        return f"{said}: {self.meaning}" if self.meaning else said


def find_losses(connection: Connection, now: str, older: str) -> list[Loss]:
    """What is in the database at revision `now` and has no place at the `older` one."""
    columns_now, columns_then = columns_at(now), columns_at(older)
    found = []
    for name, columns in sorted(columns_now.items()):
        if name in TRANSIENT | BOOKKEEPING:
            continue
        if name not in columns_then:
            found.append(Loss(name, None, _count(connection, name)))
            continue
        defaults = {each["name"]: each["default"] for each in inspect(connection).get_columns(name)}
        found += [
            Loss(name, each, _count(connection, name, each, defaults.get(each)))
            for each in sorted(columns - columns_then[name])
            if f"{name}.{each}" not in BOOKKEEPING
        ]
    return [loss for loss in found if loss.rows]


@cache
def columns_at(revision: str) -> Columns:
    """The tables and columns of a revision, from an empty database."""
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'empty.db'}"
        command.upgrade(alembic_config(url), revision)
        engine = make_engine(url)
        try:
            seen = inspect(engine)
            return {
                name: {each["name"] for each in seen.get_columns(name)}
                for name in seen.get_table_names()
                if name != VERSIONS
            }
        finally:
            engine.dispose()


def _count(
    connection: Connection, name: str, filled: str | None = None, default: str | None = None
) -> int:
    """The rows of a table; those with a value of their own in a column, if one is given."""
    query = select(func.count()).select_from(table(name))
    if filled is not None:
        query = query.where(column(filled).is_not(None))
        if default is not None:  # as the database writes it, so an expression in its own SQL
            query = query.where(column(filled) != literal_column(default))
    return connection.scalar(query) or 0
