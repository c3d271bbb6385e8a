"""`guichet request`: the requests of people for their domains."""

from datetime import datetime, timedelta
from typing import Any

import click
from sqlalchemy.orm import Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import parse_domain
from identity.command.opening import (
    author_here,
    change_options,
    changing,
    explained_options,
    open_services,
)
from identity.command.outcomes import Exit, Failure
from identity.command.printing import (
    as_json,
    print_facts,
    print_json,
    print_message,
    print_table,
    readable_time,
)
from identity.operators.roles import ALL
from identity.problems import DomainLooksAlike, DomainRequestDecided
from identity.rule_changes import changes

from . import deciding, views
from .models import DomainRequest, Refusal

JSON = 'JSON: {"request": as `request list`, "dry_run": boolean}'
LIMIT = 200


class Number(click.ParamType[int]):
    """`D-173`, or `173`."""

    name = "request"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The number. Fails for anything else."""
        number = deciding.read_number(str(value))
        if number is None:
            self.fail(f"{value!r} is no request: type D-173", param, ctx)
        return number


NUMBER = Number()


@click.group(name="request")
def request() -> None:
    """The requests of people for their domains: what speaks for them, and decisions."""


@request.command(name="list")
@click.option(
    "--state",
    type=click.Choice(sorted(views.FILTERS)),
    default="open",
    show_default=True,
    help="Which requests.",
)
@click.option(
    "--sort",
    type=click.Choice(sorted(views.SORTS)),
    default="oldest",
    show_default=True,
    help="Which come first.",
)
@as_json
def list_(state: str, sort: str) -> None:
    """List the first 200 requests of a state. Those put off, or merged into another, are left out.

    \b
    JSON: [{"request", "number", "domain", "shown", "owner", "state", "people", "asked_at",
    "evidence_at", "same_mail_as", "looks_like", "proposal", "decided_at", "decided_by", "ended_at"}]
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        page = views.find_page(
            session, services.now(), scope=ALL, which=state, sort=sort, limit=LIMIT
        )
        rows = [views.describe(each) for each in page.items]
    if print_json(rows):
        return
    columns = ("request", "domain", "people", "asked", "looks like", "proposal", "state")
    print_table(columns, (_cells(row) for row in rows))
    if not rows:
        print_message("There is none.")
    if page.following:
        print_message(f"There are more: these are the first {LIMIT}.")


@request.command()
@click.argument("number", type=NUMBER, metavar="D-NUMBER")
@as_json
def show(number: int) -> None:
    """Show the evidence of a request, and who asked, with masked addresses.

    \b
    JSON: as `request list`, and {"evidence", "proof", "change", "merged_into", "merged",
    "same_owner", "later_until", "refusal", "note", "closed_until", "requesters", "messages"}
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        told = views.describe_whole(session, deciding.required(session, number))
    if print_json(told):
        return
    evidence = told["evidence"] or {}
    mail = evidence.get("mail", {})
    proof = told["proof"]
    print_facts(
        [
            ("request", told["request"]),
            ("domain", told["domain"]),
            ("state", told["state"]),
            ("people", str(told["people"])),
            ("mail servers", ", ".join(mail.get("servers", []))),
            ("same mail as", ", ".join(told["same_mail_as"])),
            ("looks like", ", ".join(told["looks_like"])),
            ("proof", (proof["result"] or "not looked for yet") if proof else "none begun"),
            ("change", told["change"]["label"] if told["change"] else ""),
            ("decided by", told["decided_by"] or ""),
        ]
    )
    for each in told["requesters"]:
        asked = readable_time(each["asked_at"])
        print_facts([(asked, f"{each['address']}  {each['organisation']}, {each['position']}")])


@request.command()
@click.argument("number", type=NUMBER, metavar="D-NUMBER")
@click.option("--homeserver", help="Where its people get accounts, as agents.")
@click.option("--sibling-of", help="The open domain that its people use instead.")
@click.option("--organisation", default="", help="Whose domain it is, as people read it.")
@click.option("--into", type=int, metavar="NUMBER", help="The draft C-NUMBER to put it into.")
@click.option("--typed", default="", metavar="DOMAIN", help="The domain, if it looks like another.")
@change_options
def accept(
    number: int,
    *,
    homeserver: str | None,
    sibling_of: str | None,
    organisation: str,
    into: int | None,
    typed: str,
    **given: Any,
) -> None:
    """Put a rule for the domain into a change of rules, and let it be checked.

    The domain opens once the change is applied; everybody who asked is mailed then.

    JSON: {"change": text, "request": as `request list`, "dry_run": boolean}
    """
    dry_run = given.pop("dry_run")
    with changing(dry_run=dry_run) as (services, session):
        try:
            change = deciding.accept(
                session,
                services.rules.current(),
                services.now(),
                author_here(**given),
                deciding.required(session, number),
                homeserver=homeserver,
                sibling_of=_domain(sibling_of) if sibling_of else None,
                organisation=organisation,
                into=changes.required(session, into) if into is not None else None,
                typed=typed,
            )
        except (DomainLooksAlike, DomainRequestDecided) as problem:
            raise Failure(str(problem), Exit.REFUSED) from problem
        told = {"change": change.label, **_told(session, number, dry_run=dry_run)}
    if not print_json(told):
        click.echo(change.label)
    print_message("Nothing was written." if dry_run else f"{change.label} is being checked.")


@request.command()
@click.argument("number", type=NUMBER, metavar="D-NUMBER")
@click.option(
    "--why",
    "refusal",
    type=click.Choice([each.value for each in Refusal]),
    required=True,
    help="What people are told.",
)
@click.option("--note", default="", help="One more sentence for them, 200 characters at most.")
@click.option("--for-a-year", is_flag=True, help="Nobody can ask for it again for 12 months.")
@change_options
def refuse(number: int, *, refusal: str, note: str, for_a_year: bool, **given: Any) -> None:
    """Refuse a request, and mail everybody who asked.

    JSON: {"request": as `request list`, "dry_run": boolean}
    """

    def act(session: Session, now: datetime, who: Any, found: DomainRequest) -> None:
        deciding.refuse(
            session, now, who, found, refusal=Refusal(refusal), note=note, for_a_year=for_a_year
        )

    _change(number, act, "refused", **given)


@request.command()
@click.argument("number", type=NUMBER, metavar="D-NUMBER")
@click.argument("question")
@change_options
def ask(number: int, question: str, **given: Any) -> None:
    """Ask QUESTION of the first ten people who want it; they answer on their page.

    JSON: {"request": as `request list`, "dry_run": boolean}
    """

    def act(session: Session, now: datetime, who: Any, found: DomainRequest) -> None:
        deciding.ask_back(session, now, who, found, question)

    _change(number, act, "asked", **given)


@request.command()
@click.argument("number", type=NUMBER, metavar="D-NUMBER")
@click.argument("into", type=NUMBER, metavar="INTO")
@change_options
def merge(number: int, into: int, **given: Any) -> None:
    """Decide a request together with another one: what is decided about INTO counts for both.

    JSON: {"request": as `request list`, "dry_run": boolean}
    """

    def act(session: Session, now: datetime, who: Any, found: DomainRequest) -> None:
        deciding.merge(session, now, who, found, deciding.required(session, into))

    _change(number, act, "merged", **given)


@request.command()
@click.argument("number", type=NUMBER, metavar="D-NUMBER")
@click.option("--days", type=click.IntRange(1, 365), required=True, help="For how many days.")
@change_options
def later(number: int, *, days: int, **given: Any) -> None:
    """Leave a request out of what waits for some days.

    JSON: {"request": as `request list`, "dry_run": boolean}
    """

    def act(session: Session, now: datetime, who: Any, found: DomainRequest) -> None:
        deciding.put_off(session, now, who, found, now + timedelta(days=days))

    _change(number, act, "put off", **given)


@request.command()
@click.argument("number", type=NUMBER, metavar="D-NUMBER")
@explained_options
def reopen(number: int, **given: Any) -> None:
    """Let a request wait for a decision again, as after its change was rolled back. Nobody is told.

    JSON: {"request": as `request list`, "dry_run": boolean}
    """
    _change(number, deciding.reopen, "open again", **given)


def _change(number: int, act: Any, done: str, *, dry_run: bool, author: str, reason: str) -> None:
    with changing(dry_run=dry_run) as (services, session):
        who = author_here(author=author, reason=reason)
        try:
            act(session, services.now(), who, deciding.required(session, number))
        except DomainRequestDecided as decided:
            raise Failure(str(decided), Exit.REFUSED) from decided
        told = _told(session, number, dry_run=dry_run)
    print_json(told)
    print_message("Nothing was written." if dry_run else f"D-{number}: {done}.")


def _told(session: Session, number: int, *, dry_run: bool) -> dict[str, Any]:
    session.flush()
    return {"request": views.describe(deciding.required(session, number)), "dry_run": dry_run}


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    proposal = row["proposal"] or {}
    return (
        row["request"],
        row["domain"],
        str(row["people"]),
        readable_time(row["asked_at"]),
        ", ".join(row["looks_like"]),
        proposal.get("homeserver") or "",
        row["state"],
    )


def _domain(typed: str) -> str:
    try:
        return parse_domain(typed)
    except InvalidAddress as error:
        raise Failure(f"{typed!r} is no domain: {error}") from error
