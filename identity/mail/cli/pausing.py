"""`guichet mail pause`, `resume` and `paused`: mails of one kind, or to one domain, wait."""

from datetime import datetime

import click

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import parse_domain
from identity.command import moments
from identity.command.opening import author_here, changing, explained_options, open_services
from identity.command.outcomes import Exit, Failure
from identity.command.printing import as_json, print_json, print_message, print_table
from identity.mail import pausing
from identity.mail.views import describe_pause

KIND = click.option(
    "--kind",
    type=click.Choice([str(each) for each in pausing.KINDS]),
    help="A kind of mail, as `guichet mail list` names it.",
)
DOMAIN = click.option("--domain", help="The receiving domain, exactly.")


@click.command()
@KIND
@DOMAIN
@moments.until
@explained_options
def pause(
    *,
    kind: str | None,
    domain: str | None,
    until: datetime | None,
    reason: str,
    author: str,
    dry_run: bool,
) -> None:
    """Keep back mails of a kind, or to a receiving domain, or both; everything else goes on.

    Nothing is lost: they leave when the pause ends. People who wait for a code are not told, so
    freeze sign-ups too if codes are to wait for long.

    JSON: {"kind", "domain": text, "until": time or null, "waiting": number, "dry_run": boolean}
    """
    kind, named = kind or "", _domain(kind, domain)
    with changing(dry_run=dry_run) as (services, session):
        who = author_here(author=author, reason=reason)
        count = pausing.pause(session, services.now(), who, kind=kind, domain=named, until=until)
    name = pausing.name_of(kind, named)
    print_message(f"{name}: {'would be paused' if dry_run else 'paused'}; {count} wait.")
    facts = {"kind": kind, "domain": named, "until": until and until.isoformat(timespec="seconds")}
    print_json(facts | {"waiting": count, "dry_run": dry_run})


@click.command()
@KIND
@DOMAIN
@explained_options
def resume(
    *, kind: str | None, domain: str | None, reason: str, author: str, dry_run: bool
) -> None:
    """End a pause, named as it was paused: what it kept back leaves now.

    JSON: {"kind", "domain": text, "released": number, "dry_run": boolean}
    """
    kind, named = kind or "", _domain(kind, domain)
    with changing(dry_run=dry_run) as (services, session):
        who = author_here(author=author, reason=reason)
        count = pausing.resume(session, services.now(), who, kind=kind, domain=named)
    print_message(f"{count} mails {'would leave' if dry_run else 'leave'} now.")
    print_json({"kind": kind, "domain": named, "released": count, "dry_run": dry_run})


@click.command()
@as_json
def paused() -> None:
    """List the pauses in force.

    JSON: [{"kind", "domain": text, "since": time, "until": time or null, "by", "reason": text}]
    """
    with open_services() as services, services.database.reading() as session:
        rows = [describe_pause(each) for each in pausing.in_force(session, services.now())]
    if print_json(rows):
        return
    print_table(
        ("kind", "domain", "since", "until", "by", "why"),
        ([str(value or "any") for value in row.values()] for row in rows),
    )
    if not rows:
        print_message("Nothing is paused.")


def _domain(kind: str | None, domain: str | None) -> str:
    """The domain in A-labels. Raises Failure, also for one that is empty: all would be meant."""
    if not kind and domain is None:
        raise Failure("name a kind of mail, a receiving domain, or both", Exit.USAGE)
    try:
        return "" if domain is None else parse_domain(domain)
    except InvalidAddress as error:
        raise Failure(f"this is not a domain: {error}", Exit.USAGE) from error
