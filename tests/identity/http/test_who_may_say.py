"""A homeserver's credential speaks for its own people and their invitations alone: what is another's stays as it is.

Two homeservers. Mixed tries everything of Education's: nothing changes, and the answer is the one to what there is not.
"""

import uuid
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import select

from domain_rules.addresses import EmailAddress
from identity.app import create_app
from identity.storage import associations, credentials, proved_addresses
from identity.storage.database import Base
from identity.storage.homeservers import Homeserver
from identity.storage.third_party_invitations import ThirdPartyInvitation
from identity.use_cases import account_classes, binding, people_lists, store_invite
from identity.use_cases.people_lists import Owner, RoomSeen
from identity.use_cases.store_invite import EphemeralKey, Invited

MIXED = "mixed.example"
MALLORY = f"@mallory:{MIXED}"
ZOE, CAMILLE = "@zoe:education.example", "@camille:education.example"
HERS = "camille.durand@ac-rouen.example"
GIL = "gil.perrin@asso.example"
OLD_ROOM, NEW_ROOM = "!room:education.example", "!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM"
MADE_UP = uuid.UUID(int=7)
API = "/api/homeserver/v1"
INTERNAL = "/_matrix/identity/internal"
# What a report leaves behind even if it is rejected, and what comes into being with the first question.
OF_THE_CALLER = {"module_reports", "feed_state", "signing_keys"}


@dataclass
class World:
    """What there is on Education, and Mixed with its credential."""

    app: Any
    wiring: Any
    headers: dict[str, str]
    invitations: list[ThirdPartyInvitation]
    list_id: uuid.UUID

    @property
    def token(self) -> str:
        return self.invitations[0].token

    def send(self, method, path, body=None):
        return self.app.test_client().open(path, method=method, json=body, headers=self.headers)

    def report(self, kind, **facts) -> dict[str, Any]:
        """What came of one report."""
        sent = {"id": str(uuid.uuid4()), "kind": kind, "at": 1, **facts}
        answer = self.send("POST", f"{API}/reports", {"reports": [sent]})
        (told,) = answer.json["results"]
        return {name: value for name, value in told.items() if name != "id"}

    def rows(self) -> dict[str, list[str]]:
        """Everything in the database, but what the caller's own asking leaves there."""
        with self.wiring.database.reading() as session:
            return {
                name: sorted(map(repr, session.execute(select(table)).all()))
                for name, table in Base.metadata.tables.items()
                if name not in OF_THE_CALLER
            }


@pytest.fixture
def world(decided, clock) -> World:
    rules = decided.rules.current()
    with decided.database.transaction() as session:
        session.add(
            Homeserver(
                name=MIXED,
                url="http://127.0.0.1:1",
                guests=False,
                label="Tous",
                connector="none",
                user_id_scheme="address",
                class_source="by_person",
                created_at=clock(),
            )
        )
        session.flush()
        token = credentials.issue(session, clock(), homeserver=MIXED)
        binding.prove(session, clock(), address=HERS, user_id=CAMILLE)
        invitations = [
            store_invite.store(
                session,
                rules,
                clock(),
                invited=Invited(GIL, EmailAddress.parse(GIL), room_id, ZOE),
                key=EphemeralKey(f"public {room_id}", "sealed"),
                signing_key_id="ed25519:0",
            )
            for room_id in (OLD_ROOM, NEW_ROOM)
        ]
        made = people_lists.check(
            session,
            rules,
            clock(),
            owner=Owner(ZOE),
            room=RoomSeen(OLD_ROOM),
            raw=b"lea@asso.example",
        )
    headers = {"Authorization": f"Bearer {token}"}
    return World(create_app(decided), decided, headers, invitations, made.id)


def in_room(**facts) -> dict[str, str]:
    return {"user_id": CAMILLE, "room_id": OLD_ROOM, "by": CAMILLE} | facts


def refusal(user_id) -> dict[str, Any]:
    return {"user_id": user_id, "reason": "guest_may_not_invite", "count": 1, "last_at": 1}


# Field by field: what Mixed says that is not its own to say.
REPORTS = {
    "bound: user_id": ("bound", {"user_id": CAMILLE, "address": GIL}),
    "bound: address kept for another": ("bound", {"user_id": MALLORY, "address": HERS}),
    "bound: address nobody has, kept for another": (
        "bound",
        {"user_id": MALLORY, "address": "mallory@ac-rouen.example"},
    ),
    "bound: address of a guest elsewhere": ("bound", {"user_id": MALLORY, "address": GIL}),
    "unbound: user_id": ("unbound", {"user_id": CAMILLE, "address": HERS}),
    "unbound: address": ("unbound", {"user_id": MALLORY, "address": HERS}),
    "deactivated: user_id": ("deactivated", {"user_id": CAMILLE}),
    "invited: user_id": ("invited", in_room(by=ZOE)),
    "joined: user_id": ("joined", in_room()),
    "left: user_id": ("left", in_room()),
    "joined: room_id": ("joined", in_room(user_id=MALLORY, by=MALLORY)),
    "left: room_id": ("left", in_room(user_id=MALLORY, by=MALLORY)),
    "refusals: user_id": ("refusals", {"refusals": [refusal(CAMILLE)]}),
    "refusals: one of several": ("refusals", {"refusals": [refusal(MALLORY), refusal(CAMILLE)]}),
}
DISGUISES = [
    "camille:education.example",
    "@camille:education.example:mixed.example",
    "@camille:education.example ",
    "@camille:EDUCATION.example",
    "@camille",
    ":mixed.example",
    "@:mixed.example",
    "mixed.example",
    "@mallory:mixed.example:8448",
    "@mallory:mixed.example/",
    f"@{'m' * 250}:mixed.example",
]


@pytest.mark.parametrize("said", REPORTS.values(), ids=REPORTS)
def test_a_report_about_what_is_anothers_changes_nothing(world, said):
    kind, facts = said
    before = world.rows()
    assert world.report(kind, **facts)["result"] != "ok" or kind == "unbound"
    assert world.rows() == before


@pytest.mark.parametrize("kind", ["bound", "unbound", "deactivated", "joined"])
@pytest.mark.parametrize("user_id", DISGUISES)
def test_a_user_id_that_is_not_quite_its_own_is_not_its_own(world, kind, user_id):
    before = world.rows()
    told = world.report(kind, user_id=user_id, address=GIL, room_id=OLD_ROOM, by=user_id)
    assert told["result"] == "rejected"
    assert world.rows() == before


@pytest.mark.parametrize("by", [MALLORY, ZOE])
@pytest.mark.parametrize("room", [0, 1], ids=["a room of old", "a room of version 12"])
def test_anothers_invitation_is_not_revoked_by_who_knows_its_token(world, by, room):
    row = world.invitations[room]
    before = world.rows()
    told = world.report("third_party_invite_revoked", room_id=row.room_id, token=row.token, by=by)
    made_up = world.report(
        "third_party_invite_revoked", room_id=row.room_id, token="made-up", by=by
    )
    assert told == made_up
    assert told["result"] != "ok"
    assert world.rows() == before


def test_a_rejected_address_makes_nobody_an_agent(world):
    world.report("bound", user_id=MALLORY, address="mallory@ac-rouen.example")
    with world.wiring.database.reading() as session:
        assert not account_classes.is_agent(session, world.wiring.rules.current(), MALLORY)
        assert proved_addresses.of_user(session, MALLORY) == []


def test_where_every_homeserver_may_bind_none_takes_or_proves_what_the_rules_keep_for_another(
    world,
):
    settings = world.wiring.settings.model_copy(update={"association_policy": "any"})
    free = replace(world.wiring, settings=settings)
    world = replace(world, app=create_app(free), wiring=free)
    before = world.rows()
    assert world.report("bound", user_id=MALLORY, address=HERS)["result"] == "rejected"
    body = {"medium": "email", "address": HERS, "mxid": MALLORY}
    assert world.send("POST", f"{INTERNAL}/bind", body).status_code == 403
    assert world.rows() == before
    # What nobody has is associated, as this policy says; an agent it makes of nobody.
    free_one = "mallory@ac-rouen.example"
    assert world.report("bound", user_id=MALLORY, address=free_one) == {"result": "ok"}
    with free.database.reading() as session:
        assert associations.of_address(session, free_one).user_id == MALLORY
        assert not account_classes.is_agent(session, free.rules.current(), MALLORY)


def test_one_report_is_taken_once_whatever_it_says_the_second_time(world):
    one, own = str(uuid.uuid4()), f"@max:{MIXED}"
    for user_id in (own, CAMILLE):
        said = {"id": one, "kind": "deactivated", "at": 1, "user_id": user_id}
        before = world.rows() if user_id == CAMILLE else None
        answer = world.send("POST", f"{API}/reports", {"reports": [said]})
        assert answer.json["results"] == [{"id": one, "result": "ok"}]
    assert world.rows() == before


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
    database, rules = world.wiring.database, world.wiring.rules.current()
    with database.transaction() as session:
        made = store_invite.store(
            session,
            rules,
            clock(),
            invited=Invited(GIL, EmailAddress.parse(GIL), NEW_ROOM, MALLORY),
            key=EphemeralKey("public of Mallory", "sealed"),
            signing_key_id="ed25519:0",
        )
        handed_in = people_lists.check(
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
