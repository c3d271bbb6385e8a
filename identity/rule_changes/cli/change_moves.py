"""The commands that move a change on: check, propose, return, schedule, apply, roll back, abandon."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click
from sqlalchemy.orm import Session

from identity.command import words
from identity.command.labels import CHANGE
from identity.command.opening import (
    author_here,
    change_options,
    changing,
    explained_options,
)
from identity.command.outcomes import Exit
from identity.command.printing import print_message
from identity.core.journal import Actor
from identity.problems import ApprovalNeeded
from identity.rule_changes import approvals, changes, rolling_back, views
from identity.rule_changes.change_models import Change
from identity.services import Services

from .changes_shown import told
from .rule_options import read_pattern

Move = Callable[[Session, Services, Actor, Change], Change | None]
"""Moves a change on; returns another change that it made, if any."""
typed = click.option(
    "--type",
    "typed",
    default="",
    metavar="NUMBER",
    help="The largest number of people whom it hurts, as `change show` has it.",
)
MOMENT = click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z", "%Y-%m-%d %H:%M%z"])


@click.command()
@click.argument("number", type=CHANGE)
@change_options
def check(number: int, **options: Any) -> None:
    """Let the worker count whom the change affects; `show` tells how far it is.

    JSON: as of `new`.
    """

    def move(session: Session, services: Services, who: Actor, change: Change) -> None:
        changes.order_check(session, services.now(), who, change)

    _move(number, options, move, "is being checked by the worker")


@click.command()
@click.argument("number", type=CHANGE)
@change_options
def propose(number: int, **options: Any) -> None:
    """Ask another person to approve a checked change.

    JSON: as of `new`.
    """

    def move(session: Session, services: Services, who: Actor, change: Change) -> None:
        changes.propose(session, services.now(), who, change)

    _move(number, options, move, "waits for another person's approval")


@click.command(name="return")
@click.argument("number", type=CHANGE)
@explained_options
def return_(number: int, **options: Any) -> None:
    """Give a proposed, approved or scheduled change back to its author.

    JSON: as of `new`.
    """

    def move(session: Session, services: Services, who: Actor, change: Change) -> None:
        changes.give_back(session, services.now(), who, change)

    _move(number, options, move, "is returned, and can be edited")


@click.command()
@click.argument("number", type=CHANGE)
@click.argument("moment", type=MOMENT)
@typed
@change_options
def schedule(number: int, moment: datetime, *, typed: str, **options: Any) -> None:
    """Let the worker apply a change at MOMENT, as 2027-03-14T22:00+01:00.

    What another person approved, or a checked change where one person is enough.

    JSON: as of `new`. Exit code 4: it needs approval.
    """
    try:
        due_at = moment.astimezone(UTC)
    except OverflowError:
        raise click.BadParameter("this moment is too far away", param_hint="MOMENT") from None

    def move(session: Session, services: Services, who: Actor, change: Change) -> None:
        approvals.apply_alone(
            session, services.settings, services.now(), who, change, typed=typed, due_at=due_at
        )

    _move(number, options, move, f"will be applied at {due_at:%Y-%m-%d %H:%M}Z")


@click.command()
@click.argument("number", type=CHANGE)
@typed
@click.option(
    "--break-glass",
    type=words.WANTED,
    metavar="REASON",
    help="Without the approval that is needed: every approver is told.",
)
@change_options
def apply(number: int, *, typed: str, break_glass: str | None, **options: Any) -> None:
    """Let the worker apply a change now: it counts again, and publishes what was approved.

    What another person approved, or a checked change where one person is enough.

    JSON: as of `new`. Exit code 4: it needs approval.
    """
    options["reason"] = break_glass or options["reason"]

    def move(session: Session, services: Services, who: Actor, change: Change) -> None:
        now = services.now()
        if break_glass:
            approvals.break_glass(session, now, who, change, approver=None, typed=typed)
        else:
            approvals.apply_alone(session, services.settings, now, who, change, typed=typed)

    _move(number, options, move, "is being applied by the worker")


@click.command()
@click.argument("number", type=CHANGE)
@click.option(
    "--also",
    multiple=True,
    metavar="PATTERN",
    help="Also what others have changed since; *.DOMAIN for a suffix, several times for several.",
)
@change_options
def rollback(number: int, *, also: tuple[str, ...], **options: Any) -> None:
    """Make the change that reverses an applied one, against the rules in force now.

    Rules that others have changed since stay as they are, and are named. The new change is checked
    and applied like any other.

    JSON: as of `new`, about the new change.
    """
    keys = [
        read_pattern(each.removeprefix("*."), suffix=each.startswith("*."), default=True)
        for each in also
    ]

    def move(session: Session, services: Services, who: Actor, change: Change) -> Change:
        reversal = rolling_back.find_reversal(session, change)
        for kind, pattern in reversal.touched:
            if (kind, pattern) not in keys:
                print_message(f"{kind}:{pattern} was changed since, and stays as it is.")
        return rolling_back.make_reversal(session, services.now(), who, change, also=keys)

    _move(number, options, move, "is made; check and apply it")


@click.command()
@click.argument("number", type=CHANGE)
@change_options
def abandon(number: int, **options: Any) -> None:
    """End a change that is not applied yet.

    JSON: as of `new`.
    """

    def move(session: Session, services: Services, who: Actor, change: Change) -> None:
        changes.abandon(session, services.now(), who, change)

    _move(number, options, move, "is abandoned")


def _move(number: int, options: dict[str, Any], move: Move, what: str) -> None:
    """Move the change on, and tell of it. Ends with 4 if it needs another person's approval."""
    who = author_here(author=options["author"], reason=options["reason"])
    try:
        with changing(dry_run=options["dry_run"]) as (services, session):
            found = changes.required(session, number)
            shown = move(session, services, who, found) or found
            session.flush()
            described = views.describe_change(session, shown)
    except ApprovalNeeded as error:
        print_message(f"guichet: C-{number}: {error}")
        click.get_current_context().exit(Exit.APPROVAL)
    told(described, what, dry_run=options["dry_run"])
