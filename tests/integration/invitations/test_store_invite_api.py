"""/store-invite and /sign-ed25519 as programs see them."""

from dataclasses import replace

import pytest

from domain_rules.rules import RuleSet
from identity.accounts import classes as account_classes, verified_addresses
from identity.app import create_app
from identity.core import signatures as signing
from identity.core.journal import Actor
from identity.homeservers import models as homeservers
from identity.invitations import (
    models as third_party_invitations,
    room_agreement,
    service as invitations,
)
from identity.keys import service as signing_keys
from identity.mail import models as mails
from identity.threepids import associations
from identity.threepids.validation import SECRET as TOKEN
from tests.worlds.api import *
from tests.worlds.api import FEDERATION, FixedRules, ask
from tests.worlds.programs import ADDRESS, CAMILLE, ZOE, Program, refused

OLGA = Actor("Olga", "here", "")
GIL = "gil.perrin@association.example"
INVITATION = {
    "medium": "email",
    "address": GIL,
    "room_id": "!room:education.example",
    "sender": CAMILLE,
}


@pytest.fixture
def camille(public, decided) -> Program:
    return Program(public, decided)


def invite(program, **facts):
    return program.post("/store-invite", **INVITATION | facts)


def stored(program, token):
    with program.services.database.reading() as session:
        return third_party_invitations.find_by_token(session, token)


def take(program, clock, token):
    """Its room has it."""
    with program.services.database.transaction() as session:
        row = third_party_invitations.find_by_token(session, token)
        assert room_agreement.confirm(session, clock(), row, program.services.hashes)


def test_an_invitation_is_kept_and_its_keys_are_told(camille):
    # As Synapse sends it: empty where it knows nothing, and a field of its own.
    told = invite(
        camille,
        room_alias="",
        room_name="Cellule d’appui",
        room_avatar_url="",
        sender_display_name="Camille",
        **{"org.matrix.web_client_location": "https://x.example"},
    ).json
    lasting, ephemeral = told["public_keys"]
    assert told["public_key"] == lasting["public_key"] != ephemeral["public_key"]
    keys = "http://127.0.0.1:8090/_matrix/identity/v2/pubkey"
    assert lasting["key_validity_url"] == f"{keys}/isvalid"
    assert ephemeral["key_validity_url"] == f"{keys}/ephemeral/isvalid"
    for key, path in ((lasting, "isvalid"), (ephemeral, "ephemeral/isvalid")):
        answer = camille.get(f"/pubkey/{path}", public_key=key["public_key"])
        assert answer.json == {"valid": True}
    assert told["display_name"] == "gil...@ass..."
    assert TOKEN.fullmatch(told["token"])
    kept = stored(camille, told["token"])
    assert (kept.address, kept.room_id, kept.sender) == (GIL, INVITATION["room_id"], CAMILLE)
    assert kept.facts == {"room_name": "Cellule d’appui", "sender_display_name": "Camille"}


def test_a_key_nobody_was_given_is_not_valid(camille):
    answer = camille.get("/pubkey/ephemeral/isvalid", public_key="A" * 43)
    assert (answer.status_code, answer.json) == (200, {"valid": False})


def test_a_room_is_opaque(camille):
    token = invite(camille, room_id="$of:another").json["token"]
    assert stored(camille, token).room_id == "$of:another"


def test_a_mail_is_ordered_once_the_room_has_the_invitation(camille, clock):
    def ordered():
        with camille.services.database.reading() as session:
            return [(mail.template, mail.address) for mail in mails.find_recent(session)]

    told = invite(camille).json
    assert ordered() == []
    take(camille, clock, told["token"])
    assert ordered() == [("invite", GIL)]


@pytest.mark.parametrize(
    ("facts", "status", "code"),
    [
        ({"medium": "msisdn"}, 400, "M_UNRECOGNIZED"),
        ({"sender": ZOE}, 403, "M_UNAUTHORIZED"),
        ({"address": "nobody"}, 400, "M_INVALID_EMAIL"),
        ({"address": 5}, 400, "M_INVALID_PARAM"),
        ({"room_id": ""}, 400, "M_INVALID_PARAM"),
        ({"room_id": "x" * 256}, 400, "M_INVALID_PARAM"),
        ({"room_id": "a\0b"}, 400, "M_INVALID_PARAM"),
        ({"room_id": None}, 400, "M_INVALID_PARAM"),
    ],
)
def test_what_is_not_as_specified_is_not_kept(camille, facts, status, code):
    assert refused(invite(camille, **facts)) == (status, code)
    with camille.services.database.reading() as session:
        assert third_party_invitations.count_by_delivery(session) == {}


@pytest.mark.parametrize("name", INVITATION)
def test_what_is_missing_is_named(camille, name):
    facts = {key: value for key, value in INVITATION.items() if key != name}
    assert refused(camille.post("/store-invite", **facts)) == (400, "M_MISSING_PARAMS")


def test_guests_do_not_invite(decided, public):
    gil = Program(public, decided, user_id="@gil:guests.example")
    assert refused(invite(gil, sender="@gil:guests.example")) == (403, "M_FORBIDDEN")


def test_where_agents_and_guests_live_together_the_proved_address_decides(
    decided, public, rules, clock
):
    mixed = "@x:mixed.example"
    with decided.database.transaction() as session:
        home = homeservers.find(session, "education.example")
        columns = [c.key for c in home.__table__.columns if c.key != "guests"]
        facts = {key: getattr(home, key) for key in columns}
        session.add(
            homeservers.Homeserver(**facts | {"name": "mixed.example", "class_source": "by_person"})
        )
    with decided.database.transaction() as session:
        assert not account_classes.is_agent(session, rules, mixed)
        associations.bind(session, clock(), address="x@ac-rouen.example", user_id=mixed)
        assert not account_classes.is_agent(session, rules, mixed)
        verified_addresses.add(session, clock(), address="x@ac-rouen.example", user_id=mixed)
        associations.unbind(session, address="x@ac-rouen.example", user_id=mixed)
        assert account_classes.is_agent(session, rules, mixed)


def test_what_is_bound_is_refused_folded_and_delivered_unfolded(camille, decided, clock):
    with decided.database.transaction() as session:
        associations.bind(session, clock(), address=ADDRESS, user_id=CAMILLE)
    answer = invite(camille, address=ADDRESS)
    assert refused(answer) == (400, "M_THREEPID_IN_USE")
    assert answer.json["mxid"] == CAMILLE
    told = invite(camille, address="Camille.Durand@AC-Rouen.example")
    take(camille, clock, told.json["token"])
    assert stored(camille, told.json["token"]).delivery == "due"


def test_fifty_guests_a_day_are_enough(camille):
    for number in range(50):
        assert invite(camille, address=f"guest{number}@association.example").status_code == 200
    answer = invite(camille, address="another@association.example")
    assert refused(answer) == (429, "M_LIMIT_EXCEEDED")
    assert answer.json["retry_after_ms"] == 86_400_000


def test_an_invitation_is_signed_with_the_key_of_the_mail(camille, decided):
    told = invite(camille).json
    sealed = stored(camille, told["token"]).sealed_key
    private = decided.vault.open(sealed).get_secret_value()
    gil = Program(camille.client, decided, user_id="@gil:guests.example")
    facts = {"mxid": gil.user_id, "token": told["token"]}
    signed = gil.post("/sign-ed25519", private_key=private, **facts).json
    assert {k: v for k, v in signed.items() if k != "signatures"} == {**facts, "sender": CAMILLE}
    signing.verify(
        signed,
        signer="guichet.localhost",
        key_id="ed25519:0",
        public_key=told["public_keys"][1]["public_key"],
    )


@pytest.mark.parametrize(
    ("facts", "status", "code"),
    [
        ({"token": "unknown"}, 404, "M_UNRECOGNIZED"),
        ({"private_key": "no base64 !"}, 400, "M_INVALID_PARAM"),
        ({"private_key": "AAAA"}, 400, "M_INVALID_PARAM"),
        ({"private_key": ""}, 400, "M_INVALID_PARAM"),
        ({"private_key": "é" * 43}, 400, "M_INVALID_PARAM"),
        ({"private_key": 5}, 400, "M_INVALID_PARAM"),
        ({"mxid": "nobody"}, 400, "M_INVALID_PARAM"),
    ],
)
def test_what_cannot_be_signed_is_refused(camille, facts, status, code):
    token = invite(camille).json["token"]
    asked = {"mxid": CAMILLE, "token": token, "private_key": "A" * 43} | facts
    assert refused(camille.post("/sign-ed25519", **asked)) == (status, code)


def revoke(program, clock, token):
    with program.services.database.transaction() as session:
        row = third_party_invitations.find_by_token(session, token)
        assert invitations.revoke(session, clock(), row, by=CAMILLE)


def ephemeral_is_valid(program, told):
    key = told["public_keys"][1]["public_key"]
    return program.get("/pubkey/ephemeral/isvalid", public_key=key).json["valid"]


def test_the_same_invitation_again_has_the_same_answer_so_that_the_room_keeps_one_event(
    camille, decided, clock
):
    first = invite(camille, room_name="Before").json
    with decided.database.transaction() as session:
        signing_keys.rotate(session, decided.vault, clock(), OLGA)
    clock.advance(days=3)
    again = invite(camille, address=GIL.upper(), room_name="After")
    assert again.json == first
    assert stored(camille, first["token"]).facts == {"room_name": "After"}
    with decided.database.reading() as session:
        assert third_party_invitations.count_by_delivery(session) == {"waiting": 1}


def test_another_room_is_answered_with_the_newest_key(camille, decided, clock):
    first = invite(camille).json
    with decided.database.transaction() as session:
        signing_keys.rotate(session, decided.vault, clock(), OLGA)
    other = invite(camille, room_id="!other:x").json
    assert other["public_key"] != first["public_key"]


def test_a_revoked_invitation_opens_nothing_any_more(camille, public, decided, clock, credential):
    told = invite(camille).json
    sealed = stored(camille, told["token"]).sealed_key
    sign = {
        "mxid": CAMILLE,
        "token": told["token"],
        "private_key": decided.vault.open(sealed).get_secret_value(),
    }

    def asked():
        answer = ask(public, GIL, path="/internal-info", headers=credential)
        return answer.json["requires_invite"], answer.json["invited"]

    assert (asked(), ephemeral_is_valid(camille, told)) == ((True, False), True)
    take(camille, clock, told["token"])
    assert (asked(), ephemeral_is_valid(camille, told)) == ((True, True), True)
    revoke(camille, clock, told["token"])
    assert (asked(), ephemeral_is_valid(camille, told)) == ((True, False), False)
    assert refused(camille.post("/sign-ed25519", **sign)) == (404, "M_UNRECOGNIZED")
    assert camille.get("/pubkey/isvalid", public_key=told["public_key"]).json["valid"]
    assert invite(camille).json["token"] != told["token"]


def test_an_inviter_whom_nobody_knows_is_told_how_long_to_wait(camille, decided, clock):
    for number in range(3):
        token = invite(camille, address=f"guest{number}@association.example").json["token"]
        with decided.database.transaction() as session:
            row = third_party_invitations.find_by_token(session, token)
            invitations.decline(session, clock(), row, unknown_inviter=True, by="tests")
    answer = invite(camille)
    assert refused(answer) == (403, "M_FORBIDDEN")
    assert answer.json["org.guichet.reason"] == "invitations_paused"
    assert "31 March 2027" in answer.json["error"]
    assert invite(camille, address="lea@ac-rouen.example").status_code == 200


def test_an_address_no_homeserver_takes_is_invited_only_where_rules_do_not_say_who_is_bound(
    decided,
):
    closed = replace(decided, rules=FixedRules(RuleSet.compile(FEDERATION)))
    ruled = Program(create_app(closed).test_client(), closed)
    assert refused(invite(ruled)) == (403, "M_FORBIDDEN")
    assert invite(ruled, address=ADDRESS).status_code == 200
    settings = closed.settings.model_copy(update={"association_policy": "any"})
    free = replace(closed, settings=settings)
    assert invite(Program(create_app(free).test_client(), free)).status_code == 200
