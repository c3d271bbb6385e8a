"""/info and /internal-info: where an address belongs by the rules; who may ask for more learns where the person is."""

import logging
from typing import Any

from flask import Blueprint, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from domain_rules.addresses import EmailAddress
from domain_rules.rules import Decision
from identity.invitations import service as invitations
from identity.networks import is_in
from identity.threepids import account_models as identity_accounts
from identity.threepids import associations
from identity.web import parameters
from identity.web.api_guards import anyone, bearer_token, calling_homeserver, homeserver
from identity.web.request_context import client_ip, services

log = logging.getLogger(__name__)

PREFIX = "/_matrix/identity/api/v1"
OURS = "org.guichet"

everybody = Blueprint("routing", __name__, url_prefix=PREFIX)
everybody.before_request(anyone)

homeservers = Blueprint("internal_routing", __name__, url_prefix=PREFIX)
homeservers.before_request(homeserver)


@everybody.get("", strict_slashes=False)
def ping() -> Response:
    """This is an identity server."""
    return jsonify({})


@everybody.get("/info")
def info() -> Response:
    """Which homeserver a client shall use. `hs` is the protected one only for callers who can reach it.

    Nobody's address: {}, without our fields, as Tchap's clients know it. Where GUICHET_INFO_PERSON_LEVEL
    lets the caller know, somebody who is elsewhere has that as `hs` and the rule's as `new_hs`.
    """
    address = parameters.email_address()
    decision = services.rules.current().decide(address)
    is_inside = is_in(client_ip(), services.settings.protected_networks)
    by_rule = _homeservers(decision, protected=is_inside)
    current = _current(address, decision) if _may_know_people() else None
    if decision.is_nobodys and current is None:
        return jsonify({})
    return jsonify(_with_current(by_rule, current) | {OURS: _about(decision)})


@homeservers.get("/internal-info")
def internal_info() -> Response:
    """Where an address may register, whoever asks for it and from wherever.

    Nobody's address: no `hs`, so that no homeserver finds its own name there, and an invitation
    that is needed and not there. A module that reads only one of the two refuses as well.
    Where the person is, if elsewhere, is `current_hs` under our key: only `legacy` mixes the two.
    """
    address = parameters.email_address()
    decision = services.rules.current().decide(address)
    by_rule, about = _homeservers(decision, protected=True), _about(decision)
    is_legacy = services.settings.info_person_level == "legacy"
    try:
        current, invited = _current(address, decision), _is_invited(address)
    except SQLAlchemyError as error:
        if is_legacy:
            raise
        # Where to register is answered all the same; whoever needs an invitation waits.
        log.warning("internal-info: the database is away: %s", type(error).__name__)
        current, invited = None, False
    if is_legacy:
        by_rule = _with_current(by_rule, current)
    elif current:
        about["current_hs"] = current
    facts = {"requires_invite": decision.requires_invite, "invited": invited, OURS: about}
    return jsonify(by_rule | facts)


def _may_know_people() -> bool:
    """Whether this caller of /info is told where a person is, and not only what the rules say."""
    level = services.settings.info_person_level
    return level == "legacy" or (level == "authenticated" and _is_known_caller())


def _current(address: EmailAddress, decision: Decision) -> str | None:
    """The homeserver of the user ID this address is bound to, if it is none the rule names."""
    with services.database.reading() as session:
        bound = associations.of_address(session, address.canonical)
    current = bound.user_id.partition(":")[2] if bound else None
    return None if current in {decision.homeserver, decision.protected_homeserver} else current


def _is_invited(address: EmailAddress) -> bool:
    with services.database.reading() as session:
        return invitations.is_invited(session, services.rules.current(), services.now(), address)


def _with_current(by_rule: dict[str, str], current: str | None) -> dict[str, str]:
    """As Tchap's clients and servers read it."""
    if current is None:
        return by_rule
    return {"hs": current} | ({"new_hs": by_rule["hs"]} if by_rule else {})


def _homeservers(decision: Decision, *, protected: bool) -> dict[str, str]:
    """`shadow_hs` is the public homeserver beside a protected one."""
    if decision.homeserver is None:
        return {}
    if protected and decision.protected_homeserver is not None:
        return {"hs": decision.protected_homeserver, "shadow_hs": decision.homeserver}
    return {"hs": decision.homeserver}


def _about(decision: Decision) -> dict[str, Any]:
    """What Guichet's own clients and modules read; others overlook it."""
    about: dict[str, Any] = {
        "account_class": decision.account_class,
        "organisation": decision.organisation,
        "sibling": decision.sibling,
        "reason": decision.reason,
        "revision": decision.revision,
    }
    former = decision.rule.former_homeservers(services.now()) if decision.rule else ()
    return about | {"former_hs": list(former)} if former else about


def _is_known_caller() -> bool:
    """Whether the caller shows a homeserver's credential, or a token that a Matrix user got here."""
    token = bearer_token()
    if token is None:
        return False
    if calling_homeserver() is not None:
        return True
    with services.database.reading() as session:
        return identity_accounts.of_token(session, token, services.now()) is not None
