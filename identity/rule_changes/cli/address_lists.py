"""`guichet shared-mailbox` and `guichet never-agent`: change the address lists."""

from typing import Any

import click

from identity.command.opening import (
    author_here,
    change_options,
    changing,
    open_services,
)
from identity.command.printing import as_json, print_json, print_message, print_table
from identity.routing import address_list_models, address_lists
from identity.routing.address_list_models import AddressList


def lists_of(name: AddressList, help_text: str, entry: str) -> click.Group:
    """The commands of one list. A change applies from the next request on."""

    @click.group(name=name.replace("_", "-"), help=help_text)
    def group() -> None: ...

    def changing(verb: str, *, is_listed: bool, told: str) -> None:
        @group.command(name=verb, help=f"{told} JSON: {{entry, changed, dry_run}}")
        @click.argument("entry", metavar=entry)
        @change_options
        def command(entry: str, **options: Any) -> None:
            _change(name, entry, options, is_listed=is_listed)

    changing("add", is_listed=True, told=f"Put {entry} on the list.")
    changing(
        "remove",
        is_listed=False,
        told=f"Take {entry} off the list, even if it came with Guichet.",
    )

    @group.command(name="list")
    @as_json
    def list_() -> None:
        """List what was changed here; what comes with Guichet is not repeated.

        JSON: [{"entry": text, "is_listed": boolean}]
        """
        with open_services() as services, services.database.reading() as session:
            changes = address_list_models.find_changes(session, name)
        if print_json([{"entry": each, "is_listed": is_on} for each, is_on in changes.items()]):
            return
        shown = ((each, "added" if is_on else "taken off") for each, is_on in changes.items())
        print_table(("entry", "change"), shown)

    return group


def _change(name: AddressList, entry: str, options: dict[str, Any], *, is_listed: bool) -> None:
    with changing(dry_run=options["dry_run"]) as (services, session):
        me = author_here(author=options["author"], reason=options["reason"])
        changed = address_lists.change(
            session, services.now(), me, name, entry, is_listed=is_listed
        )
    print_json({"entry": entry, "changed": changed, "dry_run": options["dry_run"]})
    if not changed:
        print_message(f"Nothing to change: {entry} {'is' if is_listed else 'is not'} on the list.")
    elif options["dry_run"]:
        print_message("It would be changed. Nothing was written.")
    else:
        print_message(f"{entry} is {'on' if is_listed else 'off'} the list now.")


shared_mailbox = lists_of(
    AddressList.SHARED_MAILBOX,
    "Mailboxes several people read: whoever types one is asked for an address of their own.",
    "NAME",
)
never_agent = lists_of(
    AddressList.NEVER_AGENT,
    "Domains anybody can have an address at: no rule opens them to agents by accident.",
    "DOMAIN",
)
