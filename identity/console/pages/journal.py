"""/admin/journal: who did what, when, by which door and why; its export, and its verification."""

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from flask import Response, request
from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from identity.console import scoping
from identity.core import (
    journal as journal_rows,
    journal_checks,
    journal_search,
    journal_views,
)
from identity.core.journal_search import JournalFilter
from identity.core.outbox import JobKind
from identity.health import looking
from identity.operators.roles import Deed, Role
from identity.web.request_context import services

from . import things
from .frame import form, go_to, say, screen
from .operator_session import actor, operator
from .things import show_thing

FILTERS: Final = ("action", "actor", "door", "since", "until", "request_id")
DOORS: Final = {"console": "console ", "api": "api token ", "shell": journal_rows.BY_COMMAND}
"""How the origin of a row begins that came through this door."""
MOST: Final = 20_000  # rows of one export
AT_ONCE: Final = 200
FEW: Final = 5  # values of a list
FORMULA: Final = ("=", "+", "-", "@", "'", "\t", "\r", "\n")  # begins one in some spreadsheet


@screen("/journal", Deed.SEE_JOURNAL)
def journal() -> Response:
    """The rows, newest first. Whoever has a scope sees their own deeds, and those on what it holds."""
    typed = things.filters(*FILTERS)
    with services.database.reading() as session:
        page = journal_search.find(
            session, _wanted(typed), within=_within(session), after=request.args.get("after")
        )
        check = journal_checks.find(session)
    is_masked = Role.AUDITOR not in operator().roles
    rows = [journal_views.describe(entry, is_masked=is_masked) for entry in page.items]
    return show_thing(
        "journal",
        rows=[{**row, "facts": list(_readable(row["facts"]))} for row in rows],
        typed_filters=typed,
        following=things.following(page, typed),
        check=check,
    )


@form("/journal/verify", Deed.SEE_JOURNAL)
def verify_journal() -> Response:
    """Let the worker verify it now."""
    with services.database.transaction() as session:
        looking.order(session, services.now(), JobKind.JOURNAL_CHECK)
    say("console.journal.verifying")
    return go_to("journal")


@form("/journal/export", Deed.EXPORT_JOURNAL)
def export_journal() -> Response:
    """The rows that the filters find, newest first, as JSON or CSV; no more than 20,000."""
    typed = {name: request.form.get(name, "").strip()[: things.MAX_TYPED] for name in FILTERS}
    is_csv = request.form.get("format") == "csv"
    found: list[dict[str, Any]] = []
    after: str | None = None
    with services.database.reading() as session:
        while len(found) < MOST:
            page = journal_search.find(
                session, _wanted(typed), within=_within(session), after=after, limit=AT_ONCE
            )
            found += [journal_views.describe(entry) for entry in page.items]
            after = page.following
            if after is None:
                break
    with services.database.transaction() as session:
        facts = {name: value for name, value in typed.items() if value} | {"rows": len(found)}
        who = actor()
        journal_rows.write(
            session, services.now(), who, action="journal.export", subject="journal", facts=facts
        )
    body = _as_csv(found) if is_csv else json.dumps(found, ensure_ascii=False, indent=1)
    name = "journal.csv" if is_csv else "journal.json"
    answer = Response(body, mimetype="text/csv" if is_csv else "application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _wanted(typed: Mapping[str, str]) -> JournalFilter:
    until = _day(typed["until"])
    return JournalFilter(
        action=typed["action"],
        actor=typed["actor"],
        origin=_origin(typed["door"]),
        request_id=typed["request_id"],
        since=_day(typed["since"]),
        until=until and until + timedelta(days=1),
    )


def _origin(door: str) -> str:
    return DOORS.get(door, "")


def _within(session: Session) -> ColumnElement[bool] | None:
    return scoping.journal_within(session, operator().name, operator().scope)


def _day(typed: str) -> datetime | None:
    """The beginning of a day in the time zone of people; None for what is no day."""
    try:
        found = date.fromisoformat(typed)
        return datetime.combine(found, time.min, services.settings.time_zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _readable(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The facts as pairs of texts; long lists abridged."""
    return [(name, _short(value)) for name, value in facts.items() if value not in (None, "", [])]


def _short(value: Any) -> str:
    if isinstance(value, list):
        more = f" … ({len(value)})" if len(value) > FEW else ""
        return ", ".join(map(_short, value[:FEW])) + more
    if isinstance(value, dict):
        return ", ".join(
            f"{name}: {_short(each)}" for name, each in value.items() if each is not None
        )
    return str(value)


def _as_csv(found: list[dict[str, Any]]) -> str:
    """One line a row; what a spreadsheet would take for a formula is guarded."""
    columns = ("number", "at", *journal_views.COLUMNS, "facts")
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in found:
        told = {**row, "facts": json.dumps(row["facts"], ensure_ascii=False)}
        writer.writerow([_guarded(str(told[name] or "")) for name in columns])
    return out.getvalue()


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text
