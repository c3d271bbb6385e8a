"""/info and /internal-info: the homeserver of an address by the rules, and where its owner is."""

import logging
from functools import partial
from typing import Any

from flask import Blueprint, Response, jsonify

from domain_rules.addresses import EmailAddress
from domain_rules.rules import Decision
from identity.core.database_faults import AWAY
from identity.invitations import service as invitations
from identity.networks import is_in
from identity.threepids import associations, callers
from identity.web import parameters
from identity.web.from_memory import answers_from_memory
from identity.web.guards import anyone, bearer_token, calling_homeserver, homeserver
from identity.web.request_context import client_ip, current_services, services
from identity.web.request_record import about_address

log = logging.getLogger(__name__)

PREFIX = "/_matrix/identity/api/v1"
OURS = "org.guichet"  # the key of our own fields

everybody = Blueprint("routing", __name__, url_prefix=PREFIX)
everybody.before_request(anyone)

homeservers = Blueprint("internal_routing", __name__, url_prefix=PREFIX)
homeservers.before_request(homeserver)


@everybody.get("", strict_slashes=False)
@answers_from_memory
def ping() -> Response:
    """The status check by which clients recognise an identity server."""
    return jsonify({})


@everybody.get("/info")
@answers_from_memory
def info() -> Response:
    """The homeserver a client shall use, as `hs`.

    A protected homeserver is named only to callers in the protected networks. For an address of no
    homeserver the answer is {}, as Tchap's clients expect it. If the person has an account on
    another homeserver and GUICHET_INFO_PERSON_LEVEL allows telling it, that is `hs`, and the rule's
    is `new_hs`. While the database is away, the rules alone decide, but for the level `legacy`.
    """
    ours = current_services()
    address = parameters.email_address()
    about_address(address.canonical, from_memory=True)
    decision = ours.rules.current().decide(address)
    protected = ours.settings.protected_networks
    is_inside = bool(protected) and is_in(client_ip(), protected)  # who asks matters to these alone
    by_rule = _homeservers(decision, protected=is_inside)
    current = _current_for_caller(address, decision)
    if decision.is_nobodys and current is None:
        return jsonify({})
    return jsonify(_with_current(by_rule, current) | {OURS: _about(decision)})


@homeservers.get("/internal-info")
def internal_info() -> Response:
    """Where an address may register, for homeservers, and whether it is invited.

    For an address of no homeserver there is no `hs`, and an invitation is required and not there:
    a module that reads only one of the two refuses it as well. If the person has an account on
    another homeserver, it is `current_hs` among our fields; the level `legacy` puts it in `hs`.
    """
    address = parameters.email_address()
    about_address(address.canonical)
    decision = services.rules.current().decide(address)
    by_rule, about = _homeservers(decision, protected=True), _about(decision)
    is_legacy = services.settings.info_person_level == "legacy"
    try:
        current = _current_homeserver(address, decision)
        invited = _is_invited(address)
    except AWAY as error:
        if is_legacy:
            raise
        # The rules are cached, so answer by them; registering with an invitation has to wait.
        log.warning("internal-info: the database is away: %s", type(error).__name__)
        current, invited = None, False
    if is_legacy:
        by_rule = _with_current(by_rule, current)
    elif current:
        about["current_hs"] = current
    facts = {"requires_invite": decision.requires_invite, "invited": invited, OURS: about}
    return jsonify(by_rule | facts)


def _current_for_caller(address: EmailAddress, decision: Decision) -> str | None:
    """The current homeserver, if this caller of /info may learn which one a person is on."""
    level = services.settings.info_person_level
    if level == "legacy":
        # Its clients sign people in at `hs`: the wrong one would be worse than none.
        return _current_homeserver(address, decision)
    if level != "authenticated":
        return None
    try:
        return _current_homeserver(address, decision) if _is_known_caller() else None
    except AWAY as error:
        log.warning("info: the database is away, the rules decide: %s", type(error).__name__)
        return None


def _current_homeserver(address: EmailAddress, decision: Decision) -> str | None:
    """The homeserver of the user with this address, if it is not one that the rule names."""
    with services.database.reading() as session:
        bound = associations.find_by_address(session, address.canonical)
    current = bound.user_id.partition(":")[2] if bound else None
    return None if current in {decision.homeserver, decision.protected_homeserver} else current


def _is_invited(address: EmailAddress) -> bool:
    with services.database.reading() as session:
        return invitations.is_invited(session, services.rules.current(), services.now(), address)


def _with_current(by_rule: dict[str, str], current: str | None) -> dict[str, str]:
    """Add the current homeserver to the answer, in the form of Tchap."""
    if current is None:
        return by_rule
    return {"hs": current} | ({"new_hs": by_rule["hs"]} if by_rule else {})


def _homeservers(decision: Decision, *, protected: bool) -> dict[str, str]:
    """The homeservers of the rule. `shadow_hs`: the public homeserver beside a protected one."""
    if decision.homeserver is None:
        return {}
    if protected and decision.protected_homeserver is not None:
        return {"hs": decision.protected_homeserver, "shadow_hs": decision.homeserver}
    return {"hs": decision.homeserver}


def _about(decision: Decision) -> dict[str, Any]:
    """Our own fields, for Guichet's clients and modules."""
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
    """Whether the caller sends a homeserver's credential or a user's access token.

    Raises HomeserverSuspended.
    """
    token = bearer_token()
    if token is None:
        return False
    if calling_homeserver() is not None:
        return True
    found = services.database.ask(partial(callers.find, token=token, now=services.now()))
    return found is not None
