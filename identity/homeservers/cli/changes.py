"""`guichet homeserver set`: change a registered homeserver."""

from typing import Any

import click

from domain_rules.federation import CLASS_SOURCES, CONNECTORS
from identity.client_links import WRITTEN
from identity.command.files import FILE, read_certificate, read_secret
from identity.command.opening import (
    author_here,
    build_services_with_secrets,
    change_options,
    changing,
    with_options,
)
from identity.command.outcomes import Exit, Failure
from identity.command.printing import print_facts, print_json, print_message
from identity.homeservers import changing as homeserver_changes
from identity.homeservers.changing import CLEARABLE, FINAL, Keys
from identity.homeservers.models import GUEST
from identity.homeservers.views import describe, readable_value
from identity.services import Services, WorkerServices

OPTIONS = {"ca_pem": "ca-file"}  # fields whose option has another name
CLEAR = tuple(OPTIONS.get(field, field.replace("_", "-")) for field in CLEARABLE)

describing = with_options(
    click.option("--url", help="Client and administration API, without a path."),
    click.option("--federation-url", help="Where it answers other homeservers."),
    click.option("--base-url", help="Where Matrix clients find it."),
    click.option("--ca-file", type=FILE, help="PEM of its certificate authority, if private."),
    click.option("--label", help="The name people read."),
    click.option(
        "--client-url", help=f"Where its users open their Matrix client; may hold {WRITTEN}."
    ),
    click.option("--phone-url", help="The same for telephones: a link, and a QR code."),
    click.option(
        "--class-source",
        type=click.Choice(sorted(CLASS_SOURCES)),
        help="How its users are classified.",
    ),
    click.option("--guests", is_flag=True, help="The same as --class-source guest."),
    click.option(
        "--connector",
        type=click.Choice(sorted(CONNECTORS)),
        help="How accounts are made. With none, its secrets are deleted.",
    ),
    click.option("--registration-secret-file", type=FILE, help="Synapse: its shared secret."),
    click.option("--admin-token-file", type=FILE, help="Synapse: token of an administrator."),
    click.option(
        "--insecure-for-tests/--check-certificate",
        "insecure",
        default=None,
        help="Whether its certificate is not checked. For tests only, never in production.",
    ),
    click.option(
        "--clear",
        type=click.Choice(CLEAR),
        multiple=True,
        help="Delete this value. May be given several times.",
    ),
    click.option("--name", "new_name", hidden=True),
    click.option("--user-id-scheme", hidden=True),
)


@click.command(name="set")
@click.argument("name")
@describing
@change_options
def set_(
    name: str,
    *,
    author: str,
    reason: str,
    dry_run: bool,
    clear: tuple[str, ...],
    new_name: str | None,
    user_id_scheme: str | None,
    **given: Any,
) -> None:
    """Change the homeserver NAME; what you do not name stays as it is.

    Its name and its user ID scheme cannot be changed, because IDs of accounts were made from them.
    Its secrets are sealed for its URL and certificate: with another URL or authority, give the
    secrets too, or run this where GUICHET_HOMESERVER_KEYS is set.

    \b
    JSON: {"homeserver": as `show`, "changed": {field: {"before", "after"}}, "dry_run": boolean}
    """  # noqa: D301  \b is click's: keep these lines
    _refuse_final(name=new_name, user_id_scheme=user_id_scheme)
    wanted = _read(clear, **given)
    with changing(dry_run=dry_run, build=build_services_with_secrets) as (services, session):
        now, me = services.now(), author_here(author=author, reason=reason)
        changed = homeserver_changes.change(session, now, me, name, wanted, keys=_keys(services))
        shown = describe(homeserver_changes.find(session, name), now)
    if not print_json({"homeserver": shown, "changed": changed, "dry_run": dry_run}):
        print_facts(
            (
                field.replace("_", " "),
                f"{readable_value(each['before'])} → {readable_value(each['after'])}",
            )
            for field, each in changed.items()
        )
    print_message("Nothing was written." if dry_run else f"{name} is changed.")


def _read(clear: tuple[str, ...], **given: Any) -> dict[str, Any]:
    """The fields to change, by their names in the table; reads files. Raises Failure."""
    if given.pop("guests"):
        if given["class_source"] not in {None, GUEST}:
            raise click.UsageError("--guests is --class-source guest: give one of the two.")
        given["class_source"] = GUEST
    wanted = {
        "ca_pem": read_certificate(given.pop("ca_file")),
        "registration_secret": read_secret(given.pop("registration_secret_file")),
        "admin_token": read_secret(given.pop("admin_token_file")),
        **given,
    }
    wanted = {field: value for field, value in wanted.items() if value is not None}
    cleared = {CLEARABLE[CLEAR.index(each)]: None for each in clear}
    if both := cleared.keys() & wanted.keys():
        raise click.UsageError(f"--clear and a new value were both given: {', '.join(both)}.")
    if not wanted and not cleared:
        raise click.UsageError("Name at least one value to change; see --help.")
    return wanted | cleared


def _refuse_final(**given: str | None) -> None:
    for field, value in given.items():
        if value is not None:
            name = field.replace("_", "-")
            raise Failure(f"--{name} cannot be changed: {FINAL[field]}", Exit.REFUSED)


def _keys(services: Services) -> Keys:
    private = services.private_halves if isinstance(services, WorkerServices) else None
    return Keys(services.vault, services.public_half, private)
