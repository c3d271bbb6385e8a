"""/info and /internal-info: where an address belongs. The rules alone decide, never what is known of a person."""

from typing import Any

from flask import Blueprint, Response, jsonify

from domain_rules.rules import Decision, Reason
from identity.context import client_ip, is_in, wired

from . import parameters
from .guards import anyone, homeserver

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

    Nobody's address: {}, without our fields, as Tchap's clients know it.
    """
    decision = wired.rules.current().decide(parameters.email_address())
    if decision.reason is Reason.NOBODY:
        return jsonify({})
    is_inside = is_in(client_ip(), wired.settings.protected_networks)
    return jsonify(_homeservers(decision, protected=is_inside) | {OURS: _about(decision)})


@homeservers.get("/internal-info")
def internal_info() -> Response:
    """Where an address may register, whoever asks for it and from wherever.

    Nobody's address: no `hs`, so that no homeserver finds its own name there, and an invitation
    that is needed and not there. A module that reads only one of the two refuses as well.
    """
    decision = wired.rules.current().decide(parameters.email_address())
    return jsonify(
        _homeservers(decision, protected=True)
        | {
            "requires_invite": decision.requires_invite,
            "invited": False,  # no invitation can be sent yet
            OURS: _about(decision),
        }
    )


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
    former = decision.rule.former_homeservers(wired.now()) if decision.rule else ()
    return about | {"former_hs": list(former)} if former else about
