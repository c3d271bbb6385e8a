"""`guichet homeserver`: register the homeservers of the federation and rotate their credentials."""

from datetime import timedelta
from typing import Any

import click

from domain_rules.federation import CLASS_SOURCES, CONNECTORS
from domain_rules.user_ids import Scheme
from identity.client_links import WRITTEN
from identity.command.files import FILE, read_certificate, read_secret
from identity.command.opening import (
    author_here,
    change_options,
    changing,
    open_services,
    with_options,
)
from identity.command.printing import as_json, print_facts, print_json, print_message, print_table
from identity.homeservers import (
    changing as registered_homeservers,
    models as homeservers,
    service as homeserver_changes,
)
from identity.homeservers.models import Homeserver
from identity.homeservers.service import NewHomeserver
from identity.homeservers.views import (
    describe,
    describe_all,
    describe_whole,
    readable,
    readable_value,
    readable_whole,
)
from identity.invitations import homeserver_jobs
from identity.rule_changes import service as rule_changes

from .changes import set_
from .standing import STANDING

describing = with_options(
    click.option("--url", required=True, help="Client and administration API, without a path."),
    click.option(
        "--federation-url", help="Where it answers other homeservers, if that is another URL."
    ),
    click.option("--base-url", help="Where Matrix clients find it, if that is another URL."),
    click.option("--ca-file", type=FILE, help="PEM of its certificate authority, if private."),
    click.option("--guests", is_flag=True, help="It is a homeserver for guests."),
    click.option("--label", default="", help="The name people read.  [default: NAME]"),
    click.option(
        "--connector",
        type=click.Choice(sorted(CONNECTORS)),
        default="none",
        show_default=True,
        help="How accounts are made: by people themselves in their client, or by Guichet.",
    ),
    click.option("--registration-secret-file", type=FILE, help="Synapse: its shared secret."),
    click.option("--admin-token-file", type=FILE, help="Synapse: token of an administrator."),
    click.option(
        "--user-id-scheme",
        type=click.Choice([str(scheme) for scheme in Scheme]),
        help="What user IDs are made from.  [default: address; with --guests random]",
    ),
    click.option(
        "--class-source",
        type=click.Choice(sorted(CLASS_SOURCES)),
        help="How its users are classified.  [default: agent; with --guests guest]",
    ),
    click.option(
        "--client-url", help=f"Where its users open their Matrix client; may hold {WRITTEN}."
    ),
    click.option("--phone-url", help="The same for telephones: a link, and a QR code."),
    click.option(
        "--insecure-for-tests",
        "insecure",
        is_flag=True,
        help="Do not check its certificate. For tests only, never in production.",
    ),
)


@click.group()
def homeserver() -> None:
    """Manage the homeservers of the federation."""


@homeserver.command()
@click.argument("name")
@describing
@change_options
def add(name: str, *, author: str, reason: str, dry_run: bool, **given: Any) -> None:
    """Register the homeserver NAME, its Matrix server name: host or host:port.

    Prints the credential with which it calls Guichet. It is shown only once: Guichet stores its
    hash. The first homeserver for guests becomes the default of the rules.

    \b
    JSON: {"homeserver": as `show`, "credential": text or null, "default_rule": boolean,
           "revision": number, "dry_run": boolean}
    """  # noqa: D301  \b is click's: keep these lines
    new = read_new(name, **given)
    with changing(dry_run=dry_run) as (services, session):
        now = services.now()
        me = author_here(author=author, reason=reason or f"homeserver add {name}")
        made = homeserver_changes.register(session, services.public_half, now, new, me)
        default = homeserver_changes.default_rule_for(session, made)
        difference = rule_changes.compare(session, put=default)
        revision = rule_changes.publish(session, now, difference, me)
        credential = homeserver_changes.issue_credential(session, now, name, me)
        shown = describe(made, now)
    if dry_run:
        revision = difference.base
    _tell_added(made, is_default=bool(default), dry_run=dry_run)
    facts = {"default_rule": bool(default), "revision": revision, "dry_run": dry_run}
    if print_json({"homeserver": shown, "credential": None if dry_run else credential} | facts):
        return
    if dry_run:
        print_facts(readable(shown))
    else:
        click.echo(credential)


def _warn_of_clear_text(made: Homeserver) -> None:
    for url in filter(
        homeserver_changes.is_clear_text, {made.url, made.federation_url or made.url}
    ):
        print_message(
            f"Warning: {url} has no TLS. Whoever is on the way can read the tokens by which people of "
            f"{made.name} sign in to Guichet, and answer in its name."
        )
    doors = {made.base_url, made.client_url, made.phone_url} - {None, made.url}
    for url in sorted(each for each in doors if each and homeserver_changes.is_clear_text(each)):
        print_message(
            f"Warning: {url} has no TLS. Whoever is on the way can read the passwords that people of "
            f"{made.name} type there."
        )


def _tell_added(made: Homeserver, *, is_default: bool, dry_run: bool) -> None:
    name = made.name
    _warn_of_clear_text(made)
    if is_default:
        print_message(
            f"Default rule: whoever no other rule names is a guest on {name}, with an invitation."
        )
    if dry_run:
        print_message(f"{name} would be registered. Nothing was written.")
    else:
        print_message(f"{name} is registered. Its credential, shown this once:")


@homeserver.command()
@click.argument("name")
@click.option(
    "--overlap",
    type=click.IntRange(0, 720),
    default=24,
    show_default=True,
    help="Hours for which the old credential stays valid.",
)
@change_options
def rotate_credential(name: str, *, overlap: int, author: str, reason: str, dry_run: bool) -> None:
    """Give the homeserver NAME a new credential; the old one ends after the overlap.

    \b
    JSON: {"homeserver": text, "credential": text or null, "old_good_until": time,
           "dry_run": boolean}
    """  # noqa: D301  \b is click's: keep these lines
    hours = timedelta(hours=overlap)
    with changing(dry_run=dry_run) as (services, session):
        now, me = services.now(), author_here(author=author, reason=reason)
        credential = homeserver_changes.issue_credential(session, now, name, me, overlap=hours)
    until = now + hours
    if dry_run:
        print_message(f"{name} would get a new credential. Nothing was written.")
    else:
        print_message(
            f"The old credential of {name} is good until {until:%Y-%m-%d %H:%M}Z. The new one:"
        )
    facts = {"old_good_until": until.isoformat(), "dry_run": dry_run}
    shown = {"homeserver": name, "credential": None if dry_run else credential} | facts
    if not print_json(shown) and not dry_run:
        click.echo(credential)


def read_new(name: str, **facts: Any) -> NewHomeserver:
    """The homeserver the options describe; reads the files they name. Raises Failure."""
    return NewHomeserver(
        name=name,
        ca_pem=read_certificate(facts.pop("ca_file")),
        registration_secret=read_secret(facts.pop("registration_secret_file")),
        admin_token=read_secret(facts.pop("admin_token_file")),
        **facts,
    )


@homeserver.command(name="list")
@as_json
def list_() -> None:
    """List the homeservers by name, with the revision of the rules that each has.

    JSON: a list of what `show` prints, without breakers, credentials and jobs, and with
    {"answers": boolean}.
    """
    with open_services() as services, services.database.reading() as session:
        rows = describe_all(session, homeservers.find_all(session), services.now())
    if print_json(rows):
        return
    columns = ("name", "label", "url", "connector", "guests", "state")
    revisions = [(row["module"] or {}).get("revision") for row in rows]
    print_table(
        (*columns, "revision"),
        (
            [readable_value(each) for each in (*(row[column] for column in columns), revision)]
            for row, revision in zip(rows, revisions, strict=True)
        ),
    )


@homeserver.command()
@click.argument("name")
@as_json
def show(name: str) -> None:
    """Show one homeserver, without its secrets.

    \b
    JSON: {"name", "url", "label": text, "guests": boolean, "connector", "user_id_scheme",
           "class_source": text, "federation_url", "base_url", "client_url", "phone_url": text or null,
           "private_ca", "insecure", "has_secrets": boolean, "created_at": time, "state": text,
           "held_at", "held_until", "suspended_at", "retired_at": time or null,
           "module": null if it never called, or {"heard_at": time, "version": number,
                     "reports", "actions": [text], "skipped_rules": number,
                     "revision": number or null},
           "breakers": {interface: {"failures": number, "open_until": time or null}},
           "credentials": [{"issued_at": time, "ends_at": time or null}],
           "jobs": {"deliveries_waiting", "deliveries_given_up", "others_waiting",
                    "others_given_up", "held": number}}
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        row = registered_homeservers.find(session, name)
        shown = describe_whole(session, row, services.now())
        shown["jobs"] = homeserver_jobs.describe(session, name)
    if not print_json(shown):
        print_facts(readable_whole(shown))


homeserver.add_command(set_)
for command in STANDING:
    homeserver.add_command(command)
