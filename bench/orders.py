"""Measures requests that order a mail: requestToken and store-invite, with limits on.

Every request has another address, and accounts take turns, each from a network of its own, so that
no limit is reached. No worker runs: Sydent sends the mail inside the request, Guichet's worker
afterwards, and mail_rates.py says how many a second.
"""

import json
from collections.abc import Callable, Iterator

from .comparing import figures, growth, late_to_median, rate_to
from .filling import MAILS_EVERY, accounts_of
from .installation import ACCOUNTS, MANY, installation, network_of, token_of, user_of
from .load import PLACEHOLDER, Load, Request, in_turn, write
from .rows import Row
from .sydent import SLOW, sydent

V2 = "/_matrix/identity/v2"


def request_token() -> Iterator[Row]:
    """POST requestToken."""
    yield from _compare("requestToken", code_for)


def store_invite() -> Iterator[Row]:
    """POST store-invite."""
    yield from _compare("store-invite", invitation_by)


def code_for(number: int) -> Request:
    """An account asks for a code to an address that nobody has asked for."""
    body = {"client_secret": "a-secret", "email": f"t{PLACEHOLDER}@open.example", "send_attempt": 1}
    return Request(
        *("POST", f"{V2}/validate/email/requestToken"),
        *(token_of(number), network_of(number), json.dumps(body)),
    )


def invitation_by(number: int) -> Request:
    """An account invites an address that nobody has, into a room of its own."""
    body = {
        "medium": "email",
        "address": f"i{PLACEHOLDER}@open.example",
        "room_id": f"!r{PLACEHOLDER}:agents.example",
        "sender": user_of(number),
    }
    return Request(
        *("POST", f"{V2}/store-invite", token_of(number), network_of(number), json.dumps(body))
    )


def _compare(what: str, by: Callable[[int], Request]) -> Iterator[Row]:
    servers = installation()
    asked, by_all = (
        write(servers.folder / f"{what} by {accounts}", map(by, range(accounts)))
        for accounts in (ACCOUNTS, accounts_of(MANY))
    )
    found = in_turn(
        {
            "granian": Load(servers.guichet(), asked),
            f"granian, {MANY:,}": Load(servers.guichet(size=MANY), by_all),
            "gunicorn": Load(servers.guichet("gunicorn"), asked),
            "Sydent": Load(sydent(), asked, **SLOW),
        }
    )
    yield from figures(what, found)
    ours = found["granian"]
    yield rate_to(
        f"{what}, to Sydent with its mail inside the request", ours, found["Sydent"], at_least=10
    )
    yield late_to_median(f"{what}, 99th centile to median", ours, at_most=3)
    yield growth(
        f"{what} among {MANY:,} associations and {MANY // MAILS_EVERY:,} mails, to a tenth, CPU",
        *(found[f"granian, {MANY:,}"], ours),
    )
