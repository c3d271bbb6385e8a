"""The options for what an operator or a token may do."""

import click

from identity.command.opening import with_options
from identity.operators.roles import Role, Scope
from identity.operators.service import Standing

standing_options = with_options(
    click.option(
        "--role",
        "roles",
        type=click.Choice([str(role) for role in Role]),
        multiple=True,
        required=True,
        help="What they may do. May be given several times.",
    ),
    click.option(
        "--organisation",
        "organisations",
        multiple=True,
        help="They look after this organisation only. May be given several times.",
    ),
    click.option(
        "--homeserver",
        "homeservers",
        multiple=True,
        help="They look after this homeserver only. May be given several times.",
    ),
)


def read_standing(
    *, roles: tuple[str, ...], organisations: tuple[str, ...], homeservers: tuple[str, ...]
) -> Standing:
    """What these options say."""
    scope = Scope(frozenset(organisations), frozenset(homeservers))
    return Standing(frozenset(map(Role, roles)), scope)
