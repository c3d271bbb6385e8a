"""The texts for rows of a bulk invite, the same on pages and in CSV files."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from domain_rules.address_faults import AddressFault
from domain_rules.bulk_invites.checks import NEEDS_CONFIRMATION, RowOutcome
from domain_rules.spreadsheet_cells import write_table
from identity.bulk_invites import models as bulk_invites
from identity.bulk_invites.models import BulkInvite, BulkInviteRow
from identity.bulk_invites.report import Line, RowStatus
from identity.web.wording import date, text

MAX_SHOWN = 100  # rows to review on one page; others follow as these are corrected
REASONS = {
    AddressFault.NO_AT: "lists.reason.no_at",
    AddressFault.TWO_ATS: "lists.reason.two_ats",
    AddressFault.SPACE_INSIDE: "lists.reason.space_inside",
    AddressFault.NOT_ASCII_LOCAL: "lists.reason.not_ascii_local",
    AddressFault.FOREIGN_SIGN: "lists.reason.signs",
    AddressFault.LEADING_SIGN: "lists.reason.signs",
    AddressFault.NOT_AT_THIS_DOMAIN: "lists.reason.signs",
    AddressFault.ROUTED_ONWARD: "lists.reason.onward",
    AddressFault.EMPTY: "lists.reason.empty",
    AddressFault.TOO_LONG: "lists.reason.too_long",
    AddressFault.LOCAL_TOO_LONG: "lists.reason.too_long",
    AddressFault.ONE_LABEL: "lists.reason.domain",
    AddressFault.EMPTY_LABEL: "lists.reason.domain",
    AddressFault.TRAILING_DOT: "lists.reason.domain",
    AddressFault.NOT_A_DOMAIN: "lists.reason.domain",
    AddressFault.RESERVED: "lists.reason.domain",
}
WHYS = {
    "not_allowed": "lists.why.not_allowed",
    "not_accepted": "lists.why.not_accepted",
    "no_module": "lists.why.no_module",
    "paused": "lists.why.paused",
    "away": "lists.why.away",
    "restored": "lists.why.restored",
    "stopped": "lists.why.stopped",
}
TO_DO = {
    *("duplicate", "not_an_address", "typo", "sibling", "room_closed", "not_accepted"),
    *("in_text", "look_alike", "your_own", "already_invited", "failed", "refused", "expired"),
}


@dataclass(frozen=True)
class RowText:
    """One row as text."""

    row: BulkInviteRow
    result: str
    todo: str
    suggestion: str = ""
    can_keep: bool = False

    @property
    def shown(self) -> str:
        return self.row.typed


def describe_rows(lines: Sequence[Line]) -> list[RowText]:
    """Result and advice for each row."""
    return [_describe_row(line) for line in lines]


def rows_to_review(
    session: Session, bulk_invite: BulkInvite
) -> tuple[list[RowText], list[RowText]]:
    """The rows that cannot be sent as they stand, and those that can but deserve a look."""
    show = partial(bulk_invites.rows_of, session, bulk_invite.id, limit=MAX_SHOWN)
    rows, cautious = show(bulk_invites.IS_DOUBTFUL), show(bulk_invites.IS_CAUTIOUS)
    return (
        describe_rows([Line(row, row.outcome) for row in rows]),
        [
            RowText(row, text(f"lists.caution.{row.caution}", detail=row.detail), "")
            for row in cautious
        ],
    )


def rows_to_send(session: Session, bulk_invite: BulkInvite) -> list[BulkInviteRow]:
    """The first of the rows that are sent as they stand."""
    ready = ~bulk_invites.IS_DOUBTFUL
    return bulk_invites.rows_of(session, bulk_invite.id, ready, limit=MAX_SHOWN)


def csv_heads() -> str:
    """The first line of a file."""
    heads = ("line", "address", "result", "todo")
    return write_table([[text(f"lists.table.{head}") for head in heads]], delimiter=";")


def csv_of(lines: Sequence[Line]) -> str:
    """CSV as French spreadsheets read it: with semicolons, and no cell is a formula."""
    rows = [
        (str(each.row.line), each.shown, str(each.result), str(each.todo))
        for each in describe_rows(lines)
    ]
    return write_table(rows, delimiter=";")


def _describe_row(line: Line) -> RowText:
    row, word = line.row, line.word
    todo = text(f"lists.todo.{word if word in TO_DO else 'none'}")
    result = text(f"lists.is.{word}", detail=_detail(row, word), date=_date(row))
    return RowText(
        row,
        result,
        todo,
        suggestion=row.detail if word == RowOutcome.TYPO else "",
        can_keep=word in NEEDS_CONFIRMATION,
    )


def _detail(row: BulkInviteRow, word: str) -> str:
    if word == RowOutcome.NOT_AN_ADDRESS:
        reason = (
            AddressFault(row.detail)
            if row.detail in set(AddressFault)
            else AddressFault.NOT_AN_ADDRESS
        )
        return text(REASONS.get(reason, "lists.reason.other"))
    if word == RowStatus.FAILED:
        return text(WHYS.get(row.why or "", "lists.why.room"))
    return row.detail


def _date(row: BulkInviteRow) -> str:
    return date(row.later_at) if row.later_at else ""
