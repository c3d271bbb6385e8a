"""Files of rules that operators send: each waits for the worker, which makes a change of its lines.

Reading tens of thousands of lines takes seconds, so no request does it. The content is deleted once
it was read; what was refused in it can be looked at for some days.
"""

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import JSON, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain_rules.located import LineFault
from domain_rules.reasons import Reason
from domain_rules.rule import Rule
from identity.core import outbox, rows
from identity.core.database import Base
from identity.core.journal import Actor
from identity.core.outbox import JobKind, Lane
from identity.core.personal_data import RECORD
from identity.operators.roles import ALL, Scope
from identity.problems import NotForAgents, NotNow, NotPermitted, UnreadableFile
from identity.translations import MissingText, texts

from . import changes, files, import_proof
from .change_models import Change, Origin
from .files import Content, Existing, Format, OfLists
from .service import Key

MAX_BYTES: Final = 10_000_000
MAX_YAML: Final = 5_000_000  # characters: it takes longer to read than the other formats
MOST_WAITING: Final = 5  # files of one operator
SHOWN: Final = 200  # refused lines, differences and dangers
MAX_NAME: Final = 80  # characters


class ImportState(StrEnum):
    """Where a file stands."""

    WAITING = "waiting"  # for the worker
    READ = "read"
    FAILED = "failed"  # it could not be read at all, or may not be imported


class Obstacle(StrEnum):
    """Why a whole file was not imported."""

    UNREADABLE = "unreadable"  # the outcome says why, in English
    NO_HOMESERVER = "no_homeserver"  # a list needs one
    SCOPE = "scope"  # a line lies outside what the operator looks after


class RuleImport(Base):
    """One file."""

    __tablename__ = "rule_imports"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(info=RECORD)
    title: Mapped[str] = mapped_column(info=RECORD)  # of its change
    content: Mapped[str] = mapped_column(info=RECORD)  # empty once it was read
    exactly: Mapped[bool]  # remove what it does not name
    of_lists: Mapped[dict[str, Any]] = mapped_column(JSON, info=RECORD)
    # Whose it is: the operator, or the maker of the token; how the journal names them; their scope.
    operator_id: Mapped[uuid.UUID | None] = mapped_column(index=True)
    author: Mapped[str] = mapped_column(info=RECORD)
    origin: Mapped[str]
    reason: Mapped[str] = mapped_column(info=RECORD)
    request_id: Mapped[str | None]
    organisations: Mapped[list[str]] = mapped_column(JSON, info=RECORD)
    homeservers: Mapped[list[str]] = mapped_column(JSON, info=RECORD)
    state: Mapped[str]
    made_at: Mapped[datetime] = mapped_column(index=True)
    read_at: Mapped[datetime | None]
    change_id: Mapped[uuid.UUID | None]  # null also if nothing was to be changed
    outcome: Mapped[dict[str, Any]] = mapped_column(JSON, info=RECORD)  # see `_outcome`

    @property
    def actor(self) -> Actor:
        """Who sent it."""
        return Actor(self.author, self.origin, self.reason, self.request_id)

    @property
    def scope(self) -> Scope:
        """What its sender looked after then."""
        return Scope(frozenset(self.organisations), frozenset(self.homeservers))


def send(
    session: Session,
    now: datetime,
    who: Actor,
    *,
    name: str,
    content: str,
    title: str,
    operator_id: uuid.UUID | None,
    of_lists: OfLists | None = None,
    exactly: bool = False,
    scope: Scope = ALL,
) -> RuleImport:
    """Store a file for the worker. `of_lists`: what a plain list does not say itself.

    Raises UnreadableFile for one that is too long or no text, WrongParameter for a title without
    letters, and NotNow beside too many that wait.
    """
    if "\0" in content:
        raise UnreadableFile("this is no text")
    if len(content) > MAX_BYTES:
        raise UnreadableFile("a file has 10 MB at most")
    if len(content) > MAX_YAML and files.format_of(name, content) is Format.YAML:
        raise UnreadableFile("YAML has 5,000,000 characters at most here; CSV may have more")
    own = (RuleImport.operator_id == operator_id, RuleImport.state == ImportState.WAITING)
    waiting = select(RuleImport.id).where(*own).limit(MOST_WAITING).subquery()
    if session.scalar(select(func.count()).select_from(waiting)) == MOST_WAITING:
        raise NotNow(f"{MOST_WAITING} files of yours wait to be read.")
    made = RuleImport(
        id=uuid.uuid4(),
        name="".join(letter for letter in name if letter.isprintable())[:MAX_NAME],
        title=changes.read_title(title),
        content=content,
        exactly=exactly,
        of_lists=asdict(of_lists or OfLists()),
        operator_id=operator_id,
        author=who.name,
        origin=who.origin,
        reason=who.reason,
        request_id=who.request_id,
        organisations=sorted(scope.organisations),
        homeservers=sorted(scope.homeservers),
        state=ImportState.WAITING,
        made_at=now,
        outcome={},
    )
    session.add(made)
    session.flush()
    outbox.enqueue(session, JobKind.RULE_IMPORT, made.id, now, lane=Lane.BULK)
    return made


def find(
    session: Session, import_id: uuid.UUID, operator_id: uuid.UUID | None
) -> RuleImport | None:
    """The file, if this operator sent it."""
    found = session.get(RuleImport, import_id)
    return found if found is not None and found.operator_id == operator_id else None


@dataclass(frozen=True)
class Prepared:
    """What a file is to change, and what is told of it."""

    put: list[Rule]
    take_away: list[Key]
    outcome: dict[str, Any]


def prepare(content: Content, here: Existing, now: datetime, *, exactly: bool) -> Prepared:
    """Compare what was read with the rules in force. It may take seconds and asks no database."""
    put, gone = files.lines_of(content, here, exactly=exactly)
    left_out = {"removals_left_out": exactly and bool(content.faults)}
    return Prepared(put, gone, _outcome(content, here, now) | left_out)


def record(session: Session, now: datetime, row: RuleImport, prepared: Prepared) -> None:
    """Make the change of what was read, if there is something to change, and have it checked."""
    try:
        made = _make_change(session, now, row, prepared)
    except (NotForAgents, NotPermitted) as problem:
        record_obstacle(now, row, Obstacle.SCOPE, str(problem))
        return
    row.state, row.read_at, row.content = ImportState.READ, now, ""
    row.change_id = made.id if made else None
    row.outcome = prepared.outcome


def record_obstacle(now: datetime, row: RuleImport, what: Obstacle, why: str) -> None:
    """The file as a whole is not imported."""
    row.state, row.read_at, row.content = ImportState.FAILED, now, ""
    row.outcome = {"obstacle": what, "why": why}


def is_given_up(session: Session, row: RuleImport) -> bool:
    """Whether the worker will not try it again."""
    job = outbox.find_by_subject(session, row.id, JobKind.RULE_IMPORT)
    return row.state == ImportState.WAITING and job is not None and job.gave_up_at is not None


def describe(session: Session, row: RuleImport) -> dict[str, Any]:
    """A file and what became of it: `--json`, the admin API and the screen read the same.

    `outcome`: empty while it waits.
    """
    change = session.get(Change, row.change_id) if row.change_id else None
    return {
        "id": row.id,
        "name": row.name,
        "state": row.state,
        "made_at": row.made_at,
        "read_at": row.read_at,
        "change": change.label if change else None,
        "given_up": is_given_up(session, row),
        "outcome": dict(row.outcome),
    }


def forget(session: Session, before: datetime, /, *, limit: int) -> int:
    """Delete files that were sent before this moment, at most so many. Return how many."""
    return rows.delete(session, RuleImport, RuleImport.made_at < before, limit=limit)


def _make_change(
    session: Session, now: datetime, row: RuleImport, prepared: Prepared
) -> Change | None:
    if not prepared.put and not prepared.take_away:
        return None
    with session.begin_nested():  # a refused one leaves nothing behind
        made = changes.make(
            session,
            now,
            row.actor,
            title=row.title,
            operator_id=row.operator_id,
            origin=Origin.IMPORT,
            put=prepared.put,
            take_away=prepared.take_away,
            scope=row.scope,
        )
        changes.order_check(session, now, row.actor, made)
    return made


def _outcome(content: Content, here: Existing, now: datetime) -> dict[str, Any]:
    """How many rules were read; which lines were refused, and how many; the proof of an old file."""
    found = import_proof.make_proof(content, here.rules, now)
    proof = import_proof.describe_proof(found) if found else None
    if proof is not None:
        del proof["translations"]
        proof |= {name: proof[name][:SHOWN] for name in ("differences", "dangers")}
    refused = [_describe_refused(each) for each in content.faults[:SHOWN]]
    unknown = [each.name for each in content.homeservers if each.name not in here.homeservers]
    return {
        "rules": len(content.rules),
        "refused": refused,
        "all_refused": len(content.faults),
        "duplicates": len(content.duplicates),
        "unknown_homeservers": unknown[:SHOWN],
        "proof": proof,
    }


def _describe_refused(fault: LineFault) -> dict[str, Any]:
    """A refused line. `code` and `values` say the reason in other languages, see `say_refused`."""
    told: dict[str, Any] = {
        "line": fault.line,
        "text": fault.text[:SHOWN],
        "reason": str(fault.reason),
    }
    if isinstance(fault.reason, Reason):
        told |= {"code": fault.reason.code, "values": dict(fault.reason.values)}
    return told


def say_refused(told: Mapping[str, Any], language: str) -> dict[str, Any]:
    """A described line in a language, with `said_in`: English if its reason has no code."""
    try:
        sentence = texts(language).gettext(f"refused_line.{told['code']}").format(**told["values"])
    except (MissingText, KeyError):
        return {**told, "said_in": "en"}
    return {**told, "reason": sentence, "said_in": language}
