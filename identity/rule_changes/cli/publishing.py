"""The one way in which commands publish rules: count, show, then make and apply a change."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import click
from sqlalchemy.orm import Session

from identity.command import words
from identity.command.opening import author_here, change_options, with_options
from identity.command.outcomes import Exit, Failure
from identity.command.printing import is_json_wanted, print_json, print_message
from identity.command.progress import track_progress
from identity.core.journal import Actor
from identity.problems import BaseMoved, MovesAccounts
from identity.rule_changes import approvals, at_once
from identity.rule_changes.at_once import Outcome, Wanted
from identity.rule_changes.checking import Checked
from identity.rule_changes.impact import Impact, Row
from identity.rule_changes.views import describe_difference, describe_impact
from identity.services import Services

from .differences import print_difference

EFFECTS = (
    ("change_homeserver", "accounts that change homeserver"),
    ("become_agents", "guests who become agents"),
    ("become_guests", "agents who become guests"),
    ("lose_access", "addresses that lose access"),
    ("gain_access", "addresses that gain access"),
    ("invitations", "invitations that wait, for addresses that would belong elsewhere"),
)
SHOWN_DOMAINS = 5
TURNS = 3  # how often it counts anew because what it counted moved

publishing = with_options(
    click.option("--base", type=int, help="Only if the newest revision is this one."),
    click.option(
        "--move-accounts",
        is_flag=True,
        help="Even if known accounts would belong to another homeserver.",
    ),
    click.option(
        "--break-glass",
        type=words.WANTED,
        metavar="REASON",
        help="Without the approval that is needed: every approver is told.",
    ),
    change_options,
)
"""The options of every command that publishes rules."""

Want = Callable[[Session], Wanted]
"""What is wanted, against the rules of this moment."""


@dataclass(frozen=True)
class Published:
    """What was counted, and what became of it; `outcome` is null after a dry run."""

    checked: Checked
    outcome: Outcome | None
    missing: tuple[str, ...] = ()
    """The homeservers that it registers."""

    @property
    def revision(self) -> int:
        """The revision in force afterwards."""
        return self.outcome.revision if self.outcome else self.checked.difference.base

    @property
    def label(self) -> str | None:
        """The change that was made: `C-142`."""
        return self.outcome.change.label if self.outcome and self.outcome.change else None

    @property
    def needs_approval(self) -> bool:
        """Whether another person has to approve it before it is in force."""
        return self.outcome is not None and self.outcome.needs_approval


def change(services: Services, options: dict[str, Any], want: Want) -> None:
    """Publish what is wanted, or only show it with --dry-run. Ends with 4 if approval is needed."""
    done = publish(services, want, options)
    difference, is_dry_run = done.checked.difference, options["dry_run"]
    if is_json_wanted():
        print_json(describe_checked(done.checked) | described(done, dry_run=is_dry_run))
    else:
        print_checked(done.checked)
    if difference.is_empty:
        print_message(f"Nothing to change: revision {done.revision} says so already.")
    elif is_dry_run:
        print_message(f"Nothing was written. To publish just this: --base {difference.base}")
    elif done.needs_approval:
        tell_approval(services, done)
    else:
        print_message(f"Revision {done.revision} is published.")
    if done.needs_approval:
        click.get_current_context().exit(Exit.APPROVAL)


def publish(
    services: Services, want: Want, options: dict[str, Any], *, who: Actor | None = None
) -> Published:
    """Count outside of a writing transaction, then make and apply the change in one.

    Raises Failure if accounts would move and that was not allowed; BaseMoved.
    """
    glass = options["break_glass"] or ""
    reason = glass or options["reason"]
    who = who or author_here(author=options["author"], reason=reason)
    for _ in range(TURNS):
        with services.database.reading(as_of_one_moment=True) as session:
            wanted = want(session)
            missing = tuple(each.name for each in at_once.find_missing(session, wanted))
            checked = at_once.count(session, services.now(), wanted, show_progress)
            is_proposed = not glass and approvals.needs_two(session, services.settings)
        if options["base"] not in {None, checked.difference.base}:
            raise BaseMoved
        if options["dry_run"]:
            return Published(checked, None, missing)
        if not is_proposed:
            _refuse_moves(services, checked, options)
        with services.database.transaction() as session:
            outcome = at_once.settle(
                session,
                services.settings,
                services.public_half,
                services.now(),
                who,
                wanted=wanted,
                checked=checked,
                breaks_glass=bool(glass),
            )
        if outcome is not None:
            return Published(checked, outcome, missing)
    raise BaseMoved


def show_progress(rows: Iterable[Row], total: int) -> Iterator[Row]:
    """Show the progress of replaying the known addresses."""
    return track_progress("known addresses", rows, total)


def _refuse_moves(services: Services, checked: Checked, options: dict[str, Any]) -> None:
    """Raises Failure, unless clients find people's homeservers: then a move locks nobody out."""
    moved = checked.replayed.impact.change_homeserver
    may_move = options["move_accounts"] or services.settings.info_person_level != "off"
    if moved and not may_move:
        hint = "(--dry-run shows which domains; --move-accounts if it is meant)"
        raise Failure(f"{MovesAccounts(moved)} {hint}", Exit.REFUSED)


def tell_approval(services: Services, done: Published) -> None:
    """Say what the change does, and where it is approved."""
    impact = done.checked.replayed.impact
    does = f"{impact.become_agents} guests become agents, {impact.lose_access} lose access"
    print_message(
        f"{done.label} made and checked: {does}. It needs approval: "
        f"{services.settings.console_origin}/admin/changes/{done.label}"
    )


def described(done: Published, *, dry_run: bool) -> dict[str, Any]:
    """What became of it, for JSON."""
    return {
        "revision": done.revision,
        "dry_run": dry_run,
        "change": done.label,
        "needs_approval": done.needs_approval,
    }


def describe_checked(checked: Checked) -> dict[str, Any]:
    """The difference and its impact, for JSON."""
    impact = describe_impact(checked.replayed.impact)
    return describe_difference(checked.difference) | {"impact": impact}


def print_checked(checked: Checked, *, whole: bool = False) -> None:
    """Print the difference and whom it affects."""
    print_difference(checked.difference, whole=whole)
    impact = checked.replayed.impact
    if checked.difference.is_empty:
        return
    if impact.is_empty:
        print_message(f"None of the {impact.known} known addresses in reach is affected.")
    else:
        click.echo("\n".join(effects_of(impact)))


def effects_of(impact: Impact) -> Iterator[str]:
    """Whom it affects, a line for each effect."""
    yield f"Effect on {impact.known} known addresses in reach:"
    for field, label in EFFECTS:
        count = getattr(impact, field)
        if count:
            yield f"  {count:>7}  {label}"
    most = ", ".join(f"{name} ({count})" for name, count in impact.domains[:SHOWN_DOMAINS])
    yield f"  mostly {most}"
