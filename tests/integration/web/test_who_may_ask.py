"""What a homeserver asks of another's people and invitations is answered as what there is not, and changes nothing."""

import uuid

import pytest

from domain_rules.addresses import EmailAddress
from identity.bulk_invites import service as bulk_invites
from identity.bulk_invites.service import Owner, RoomSeen
from identity.invitations.store_invite import EphemeralKey, InviteRequest
from tests.worlds.api import *
from tests.worlds.inviting import stored_in_room
from tests.worlds.two_homeservers import (
    API,
    CAMILLE,
    GIL,
    HERS,
    INTERNAL,
    MALLORY,
    NEW_ROOM,
    OLD_ROOM,
    ZOE,
    world,
)

__all__ = ["world"]

MADE_UP = uuid.UUID(int=7)


def asked(path, sender, **query):
    return "GET", f"{API}{path}?sender={sender}" + "".join(f"&{k}={v}" for k, v in query.items())


def told(path, sender, **body):
    return "POST", f"{API}{path}", {"sender": sender, **body}


def internal(what, **facts):
    return (
        "POST",
        f"{INTERNAL}/{what}",
        {"medium": "email", "address": HERS, "mxid": CAMILLE} | facts,
    )


# What there is, and the same of what there is not: both are answered alike.
CALLS = {
    "invitations of another's user": lambda i, _: asked("/invitations", ZOE),
    "invitations: address": lambda i, _: asked("/invitations", MALLORY, address=GIL),
    "invitations: room": lambda i, _: asked("/invitations", MALLORY, room_id=OLD_ROOM),
    "one invitation": lambda i, _: asked(f"/invitations/{i}", MALLORY),
    "one invitation, as its sender": lambda i, _: asked(f"/invitations/{i}", ZOE),
    "resend": lambda i, _: told(f"/invitations/{i}/resend", MALLORY),
    "resend as its sender": lambda i, _: told(f"/invitations/{i}/resend", ZOE),
    "revoke": lambda i, _: told(f"/invitations/{i}/revoke", MALLORY),
    "revoke as its sender": lambda i, _: told(f"/invitations/{i}/revoke", ZOE),
    "extend": lambda i, _: told(f"/invitations/{i}/extend", MALLORY),
    "extend as its sender": lambda i, _: told(f"/invitations/{i}/extend", ZOE),
    "lists of another's user": lambda _, i: asked("/lists", ZOE),
    "one list": lambda _, i: asked(f"/lists/{i}", MALLORY),
    "one list, as its owner": lambda _, i: asked(f"/lists/{i}", ZOE),
    "send a list": lambda _, i: told(f"/lists/{i}/send", MALLORY),
    "send a list as its owner": lambda _, i: told(f"/lists/{i}/send", ZOE),
    "retry a list": lambda _, i: told(f"/lists/{i}/retry", MALLORY),
    "retry a list as its owner": lambda _, i: told(f"/lists/{i}/retry", ZOE),
    "a list for another's user": lambda _, i: told(
        "/lists", ZOE, room_id=OLD_ROOM, people="a@asso.example"
    ),
    "internal bind: mxid": lambda i, _: internal("bind"),
    "internal bind: address": lambda i, _: internal("bind", mxid=MALLORY),
    "internal unbind: mxid": lambda i, _: internal("unbind"),
    "internal unbind: address": lambda i, _: internal("unbind", mxid=MALLORY),
    "internal bind: server name in capitals": lambda i, _: internal(
        "bind", mxid="@mallory:MIXED.example"
    ),
    "may-register": lambda i, _: (
        *("POST", f"{API}/may-register"),
        {"medium": "email", "address": GIL},
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_about_what_is_anothers_changes_nothing_and_tells_nothing(world, call):
    before = world.rows()
    real = world.send(*call(world.invitations[0].id, world.list_id))
    made_up = world.send(*call(MADE_UP, MADE_UP))
    assert (real.status_code, real.data) == (made_up.status_code, made_up.data)
    assert GIL not in real.text
    assert HERS not in real.text
    assert world.token not in real.text
    assert world.rows() == before


def test_what_there_is_by_invitation_elsewhere_is_as_what_there_is_not(world):
    """may-register answers for the homeserver of the rule alone."""
    path = f"{API}/may-register"
    invited = world.send("POST", path, {"medium": "email", "address": GIL})
    nobody = world.send("POST", path, {"medium": "email", "address": "nobody@asso.example"})
    assert invited.data == nobody.data == b'{"allowed":false}\n'


def test_who_has_become_a_guest_takes_back_and_lets_nothing_stand_longer(world, clock):
    """The class is asked anew, also of what was sent as an agent."""
    database, rules = world.services.database, world.services.rules.current()
    with database.transaction() as session:
        made = stored_in_room(
            session,
            rules,
            clock(),
            invited=InviteRequest(GIL, EmailAddress.parse(GIL), NEW_ROOM, MALLORY),
            key=EphemeralKey("public of Mallory", "sealed"),
            signing_key_id="ed25519:0",
        )
        handed_in = bulk_invites.check(
            session,
            rules,
            clock(),
            owner=Owner(MALLORY),
            room=RoomSeen(NEW_ROOM),
            raw=b"lea@asso.example",
        )
    clock.advance(hours=2)
    for what in ("resend", "extend"):
        assert world.send(*told(f"/invitations/{made.id}/{what}", MALLORY)).status_code == 403
    for what in ("send", "retry"):
        assert world.send(*told(f"/lists/{handed_in.id}/{what}", MALLORY)).status_code == 403
    assert world.send(*told(f"/invitations/{made.id}/revoke", MALLORY)).status_code == 200
