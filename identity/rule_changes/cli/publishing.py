"""Showing a change of rules and its impact, and publishing it unless it is a dry run."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import click
from sqlalchemy.orm import Session

from identity.command.opening import author_here, change_options, with_options
from identity.command.outcomes import Exit, Failure
from identity.command.printing import print_json, print_message
from identity.command.progress import track_progress
from identity.problems import MovesAccounts
from identity.rule_changes import drafts
from identity.rule_changes.drafts import Draft
from identity.rule_changes.impact import Impact, Row
from identity.rule_changes.service import Difference
from identity.services import Services

from .differences import describe_difference, print_difference

EFFECTS = (
    ("change_homeserver", "accounts that change homeserver"),
    ("become_agents", "guests who become agents"),
    ("become_guests", "agents who become guests"),
    ("lose_access", "addresses that lose access"),
    ("gain_access", "addresses that gain access"),
    ("invitations", "invitations that wait, for addresses that would belong elsewhere"),
)
SHOWN_DOMAINS = 5

publishing = with_options(
    click.option("--base", type=int, help="Only if the newest revision is this one."),
    click.option(
        "--move-accounts",
        is_flag=True,
        help="Even if known accounts would belong to another homeserver.",
    ),
    change_options,
)
"""The options of every command that publishes rules."""


def change(
    services: Services, options: dict[str, Any], compare: Callable[[Session], Difference]
) -> None:
    """Publish the difference that `compare` returns, or only show it with --dry-run."""
    with services.database.transaction() as session:
        now = services.now()
        draft = drafts.make_draft(session, now, compare(session), show_progress)
        revision = draft.difference.base
        if not options["dry_run"]:
            revision = publish(session, services, draft, options)
    facts = {"revision": revision, "dry_run": options["dry_run"]}
    if not print_json(describe_draft(draft) | facts):
        print_draft(draft)
    if draft.difference.is_empty:
        print_message(f"Nothing to change: revision {revision} says so already.")
    elif options["dry_run"]:
        print_message(f"Nothing was written. To publish just this: --base {draft.difference.base}")
    else:
        print_message(f"Revision {revision} is published.")


def show_progress(rows: Iterable[Row], total: int) -> Iterator[Row]:
    """Show the progress of replaying the known addresses."""
    return track_progress("known addresses", rows, total)


def publish(session: Session, services: Services, draft: Draft, options: dict[str, Any]) -> int:
    """Publish the draft; the number of the revision in force afterwards.

    Raises Failure if accounts would move and that was not allowed.
    """
    with refusing_moves():
        return drafts.publish(
            session,
            services.now(),
            draft,
            author_here(author=options["author"], reason=options["reason"]),
            base=options["base"],
            may_move_accounts=may_move_accounts(services, options),
        )


def may_move_accounts(services: Services, options: dict[str, Any]) -> bool:
    """Whether accounts may move: if clients find people's homeservers, that locks nobody out."""
    return options["move_accounts"] or services.settings.info_person_level != "off"


@contextmanager
def refusing_moves() -> Iterator[None]:
    """Turn MovesAccounts into a Failure with the exit code for a refusal by policy."""
    try:
        yield
    except MovesAccounts as error:
        hint = "(--dry-run shows which domains; --move-accounts if it is meant)"
        raise Failure(f"{error} {hint}", Exit.REFUSED) from error


def describe_draft(draft: Draft) -> dict[str, Any]:
    """A draft for JSON: the difference and its impact."""
    return describe_difference(draft.difference) | {"impact": described_impact(draft.impact)}


def described_impact(impact: Impact) -> dict[str, Any]:
    domains = [{"domain": name, "addresses": count} for name, count in impact.domains]
    return asdict(impact) | {"domains": domains}


def print_draft(draft: Draft, *, whole: bool = False) -> None:
    print_difference(draft.difference, whole=whole)
    if draft.difference.is_empty:
        return
    if draft.impact.is_empty:
        print_message(f"None of the {draft.impact.known} known addresses is affected.")
    else:
        click.echo("\n".join(_effects(draft.impact)))


def _effects(impact: Impact) -> Iterator[str]:
    yield f"Effect on {impact.known} known addresses:"
    for field, label in EFFECTS:
        count = getattr(impact, field)
        if count:
            yield f"  {count:>7}  {label}"
    most = ", ".join(f"{name} ({count})" for name, count in impact.domains[:SHOWN_DOMAINS])
    yield f"  mostly {most}"
