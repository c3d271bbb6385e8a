"""Rows of a list of people in the words of page and file: both say the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from domain_rules.addresses import Reason
from domain_rules.bulk_invites.checks import NEEDS_YES, Caution, Outcome
from domain_rules.spreadsheet_cells import write_table
from identity.bulk_invites import models as stored
from identity.bulk_invites.models import BulkInvite, BulkInviteRow, Step
from identity.bulk_invites.report import Line, RowStatus
from identity.web.wording import date, text

MAX_SHOWN = 200  # rows to review on one page; the others come up as these are put right
REASONS = {
    Reason.NO_AT: "lists.reason.no_at",
    Reason.TWO_ATS: "lists.reason.two_ats",
    Reason.SPACE_INSIDE: "lists.reason.space_inside",
    Reason.NOT_ASCII_LOCAL: "lists.reason.not_ascii_local",
    Reason.FOREIGN_SIGN: "lists.reason.signs",
    Reason.LEADING_SIGN: "lists.reason.signs",
    Reason.NOT_AT_THIS_DOMAIN: "lists.reason.signs",
    Reason.ROUTED_ONWARD: "lists.reason.onward",
    Reason.EMPTY: "lists.reason.empty",
    Reason.TOO_LONG: "lists.reason.too_long",
    Reason.LOCAL_TOO_LONG: "lists.reason.too_long",
    Reason.ONE_LABEL: "lists.reason.domain",
    Reason.EMPTY_LABEL: "lists.reason.domain",
    Reason.TRAILING_DOT: "lists.reason.domain",
    Reason.NOT_A_DOMAIN: "lists.reason.domain",
    Reason.RESERVED: "lists.reason.domain",
}
WHYS = {
    "not_allowed": "lists.why.not_allowed",
    "not_accepted": "lists.why.not_accepted",
    "no_module": "lists.why.no_module",
    "paused": "lists.why.paused",
    "away": "lists.why.away",
}
TO_DO = {
    *("duplicate", "not_an_address", "typo", "sibling", "room_closed", "not_accepted"),
    *("in_text", "look_alike", "your_own", "already_invited", "failed", "refused", "expired"),
}


@dataclass(frozen=True)
class Written:
    """One row for the reader."""

    row: BulkInviteRow
    result: str
    todo: str
    suggestion: str = ""
    can_keep: bool = False

    @property
    def shown(self) -> str:
        return self.row.typed


def written(lines: Sequence[Line]) -> list[Written]:
    """Result and advice for each."""
    return [_written(line) for line in lines]


def to_review(session: Session, made: BulkInvite) -> tuple[list[Written], list[Written]]:
    """Rows that are not sent as they stand, and rows that are but deserve a look."""
    doubtful = [outcome for outcome in Outcome if outcome is not Outcome.READY]
    rows = stored.rows_of(session, made.id, outcomes=doubtful, limit=MAX_SHOWN)
    cautions = [caution for caution in Caution if caution is not Caution.NONE]
    cautious = stored.rows_of(
        session, made.id, outcomes=[Outcome.READY], cautions=cautions, limit=MAX_SHOWN
    )
    return (
        written([Line(row, row.outcome) for row in rows]),
        [
            Written(row, text(f"lists.caution.{row.caution}", detail=row.detail), "")
            for row in cautious
        ],
    )


def to_send(session: Session, made: BulkInvite) -> list[BulkInviteRow]:
    """The first of the rows that are sent as they stand."""
    return stored.rows_of(session, made.id, outcomes=[Outcome.READY], limit=MAX_SHOWN)


def waiting(session: Session, made: BulkInvite) -> tuple[int, int]:
    """How many guests and agents are still to be told."""
    counts = {True: 0, False: 0}
    for _, step, for_guest, count in stored.counts(session, made.id):
        if step == Step.WAITING:
            counts[for_guest] += count
    return counts[True], counts[False]


def csv_of(lines: Sequence[Line]) -> str:
    """As a spreadsheet reads it in France: semicolons, and no cell is a formula."""
    heads = ("line", "address", "result", "todo")
    rows = [
        (str(each.row.line), each.shown, str(each.result), str(each.todo))
        for each in written(lines)
    ]
    return write_table([[text(f"lists.table.{head}") for head in heads], *rows], delimiter=";")


def _written(line: Line) -> Written:
    row, word = line.row, line.word
    todo = text(f"lists.todo.{word if word in TO_DO else 'none'}")
    result = text(f"lists.is.{word}", detail=_detail(row, word), date=_date(row))
    return Written(
        row,
        result,
        todo,
        suggestion=row.detail if word == Outcome.TYPO else "",
        can_keep=word in NEEDS_YES,
    )


def _detail(row: BulkInviteRow, word: str) -> str:
    if word == Outcome.NOT_AN_ADDRESS:
        reason = Reason(row.detail) if row.detail in set(Reason) else Reason.NOT_AN_ADDRESS
        return text(REASONS.get(reason, "lists.reason.other"))
    if word == RowStatus.FAILED:
        return text(WHYS.get(row.why or "", "lists.why.room"))
    return row.detail


def _date(row: BulkInviteRow) -> str:
    return date(row.later_at) if row.later_at else ""
