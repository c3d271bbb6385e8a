"""Which program calls, and whether it may: its token, the deed of the route, and its scope.

A cookie counts for nothing here. What asks a person for their second factor is refused to every
token, and the answer names the page where a person does it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from flask import g, request

from identity.core.journal import Actor
from identity.core.strict_json import is_text
from identity.freezes import service as freezing
from identity.networks import network_around
from identity.operators import tokens
from identity.operators.roles import PERMISSIONS, Deed, Role, effective, may
from identity.operators.tokens import Program
from identity.problems import (
    EndsSooner,
    RoleNeeded,
    SecondFactorNeeded,
    TokenNeeded,
    WrongParameter,
)
from identity.web import console_gate
from identity.web.guards import bearer_token
from identity.web.json_body import MAX_NAME
from identity.web.request_context import client_ip, services
from identity.web.request_record import request_id


@dataclass(frozen=True)
class Route:
    """What a route does. `page`: where a person does it, if it asks for their second factor.

    `query`: the names of the parameters that it takes.
    """

    deed: Deed | None
    page: str = ""
    query: frozenset[str] = frozenset()


ROUTES: Final[dict[tuple[str, str], Route]] = {}
"""By endpoint and method. Without a deed a route is for everybody."""


def guard() -> None:
    """Let nobody further who may not do what the route does.

    Raises TokenNeeded, ConsoleFrozen, RoleNeeded, SecondFactorNeeded, WrongParameter.
    """
    console_gate.check_reachable()
    route = ROUTES.get((str(request.endpoint), "GET" if is_head() else request.method))
    if route is None or route.deed is None:  # OPTIONS, and what is for everybody
        return
    g.program = found = _find()
    freezing.check_console(services.freezes.current(), is_admin=Role.ADMIN in found.roles)
    if not may(found.roles, route.deed):
        raise RoleNeeded
    if PERMISSIONS[route.deed].step_up:
        raise SecondFactorNeeded(services.settings.console_origin + _page(route))
    for name, value in request.args.items(multi=True):
        if not is_text(name + value):
            raise WrongParameter("The query is no text.", field=name if is_text(name) else "")
        if name not in route.query:  # misspelt, a filter would let everything through
            shown = name[:MAX_NAME]
            raise WrongParameter(f"There is no such parameter: {shown}.", field=shown)


def program() -> Program:
    """The program that calls, behind the guard."""
    found: Program = g.program
    return found


def actor(reason: str = "") -> Actor:
    """The program as the journal names it: whose it is, by which token, from which network."""
    caller = program()
    network = network_around(client_ip(), 24, 56)
    origin = f"api token {caller.name} from {network}"
    return Actor(caller.operator, origin, reason, request_id())


def sees_addresses() -> bool:
    """Whether rules of single addresses are shown whole: to those who write them."""
    return Role.EDITOR in effective(program().roles)


@contextmanager
def stopping(page: str) -> Iterator[None]:
    """Refuse to a program what would end a stop sooner: lifting one takes a person, on this page."""
    try:
        yield
    except EndsSooner:
        raise SecondFactorNeeded(services.settings.console_origin + page) from None


def is_head() -> bool:
    """Whether only the headers of a GET are asked for."""
    return request.method == "HEAD"


def _page(route: Route) -> str:
    return route.page.format_map(request.view_args or {})


def _find() -> Program:
    token = bearer_token()
    if token is None:
        raise TokenNeeded
    now = services.now()
    with services.database.reading() as session:
        found = tokens.find_program(session, now, token)
    if found is None or (found.is_embedded and not services.settings.is_local):
        raise TokenNeeded("This token is not known, or has ended.")
    if tokens.is_use_to_be_recorded(found, now):
        with services.database.transaction() as session:
            tokens.record_use(session, now, found)
    return found
