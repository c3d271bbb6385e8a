"""How identity tokens end: by time, by disuse, with the account or its last address; and whose class is asked anew."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from domain_rules.rule import RuleKind
from domain_rules.rules import RuleSet
from identity.app import create_app
from identity.binding import service as binding
from identity.homeservers.models import Homeserver
from identity.threepids import accounts as identity_accounts, associations
from identity.threepids.account_models import AccessToken, EndedAccount
from tests.services.peer import Peer
from tests.worlds.api import *
from tests.worlds.cleaning import cleaned
from tests.worlds.programs import ADDRESS as HERS, CAMILLE, V2, ZOE, Program, refused

from .test_accounts import NAME, OPENID, PROTECTED


@pytest.fixture
def education(decided) -> Iterator[Peer]:
    """The homeserver of Camille, which vouches for her."""
    peer = Peer(NAME)
    peer.users[OPENID["access_token"]] = CAMILLE
    with decided.database.transaction() as session:
        session.get(Homeserver, NAME).federation_url = peer.url
    yield peer
    peer.close()


@pytest.fixture
def stranger(public, decided) -> Program:
    return Program(public, decided, user_id=None)


@pytest.fixture
def camille(public, decided) -> Program:
    return Program(public, decided)


def is_signed_out(program: Program) -> bool:
    """By every path that asks for a token."""
    answers = {
        refused(program.client.open(V2 + path, method=method, headers=program.headers))
        for method, path in PROTECTED
    }
    return answers == {(401, "M_UNAUTHORIZED")}


def test_a_token_nobody_shows_for_ninety_days_has_ended(camille, clock):
    clock.advance(days=89)
    assert camille.get("/account").status_code == 200
    clock.advance(days=89)
    assert camille.get("/account").status_code == 200
    clock.advance(days=90)
    assert is_signed_out(camille)


def test_a_token_ends_after_a_year_however_often_it_is_shown(camille, clock):
    for _ in range(12):
        clock.advance(days=30)
        assert camille.get("/account").status_code == 200
    clock.advance(days=5)
    assert is_signed_out(camille)


def test_a_token_from_before_uses_were_noted_counts_from_its_making(decided, camille, clock):
    with decided.database.reading() as session:
        assert session.scalars(select(AccessToken)).one().last_used_at is None
    clock.advance(days=90)
    assert is_signed_out(camille)


def test_a_use_is_written_down_once_an_hour(decided, camille, clock):
    written = []
    event.listen(
        decided.database.engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, *_: written.append(statement.split()[0]),
    )
    clock.advance(minutes=59)
    for _ in range(3):
        camille.get("/account")
    assert "UPDATE" not in written
    clock.advance(minutes=1)
    for _ in range(3):
        camille.get("/account")
    assert written.count("UPDATE") == 1


def test_a_database_that_cannot_be_written_to_keeps_nobody_out(decided, camille, clock):
    def refuse(_connection, _cursor, statement, *_):
        if statement.startswith("UPDATE"):
            raise OperationalError(statement, None, Exception("read-only"))

    event.listen(decided.database.engine, "before_cursor_execute", refuse)
    clock.advance(hours=2)
    assert camille.get("/account").json == {"user_id": CAMILLE}


def test_a_token_that_ended_is_nobodys_word_at_info_either(decided, camille, clock):
    settings = decided.settings.model_copy(update={"info_person_level": "authenticated"})
    told = create_app(replace(decided, settings=settings)).test_client()
    with decided.database.transaction() as session:
        associations.bind(session, clock(), address="gil@asso.example", user_id="@gil:old.example")
    path = "/_matrix/identity/api/v1/info?medium=email&address=gil@asso.example"
    assert told.get(path, headers=camille.headers).json["hs"] == "old.example"
    clock.advance(days=90)
    assert told.get(path, headers=camille.headers).json["hs"] == "guests.example"


@pytest.fixture
def deactivate(public, credential):
    """As the module in Camille's homeserver reports it."""

    def deactivate(user_id=CAMILLE):
        said = {"id": str(uuid4()), "kind": "deactivated", "at": 1, "user_id": user_id}
        path = "/api/homeserver/v1/reports"
        answer = public.post(path, json={"reports": [said]}, headers=credential)
        assert answer.json["results"][0]["result"] == "ok"

    return deactivate


def test_a_deactivated_account_is_signed_out_at_once_in_every_process(
    public, decided, camille, deactivate
):
    beside = Program(create_app(decided).test_client(), decided, token=camille.token)
    zoe = Program(public, decided, user_id=ZOE)
    assert beside.get("/account").status_code == 200
    deactivate()
    assert is_signed_out(camille)
    assert is_signed_out(beside)
    assert zoe.get("/account").status_code == 200


def test_what_a_homeserver_gave_out_before_an_account_ended_opens_nothing_after(
    decided, stranger, education, deactivate, clock
):
    """Synapse answers for an OpenID token for its hour, whatever becomes of the account."""
    deactivate()
    for _ in range(2):
        answer = stranger.post("/account/register", **OPENID)
        assert refused(answer) == (401, "M_UNAUTHORIZED")
        clock.advance(minutes=60)
    clock.advance(minutes=1)
    assert stranger.post("/account/register", **OPENID).status_code == 200


def test_an_account_that_is_opened_again_signs_in_again(
    public, credential, stranger, education, deactivate
):
    deactivate()
    body = {"medium": "email", "address": "camille.durand@ac-rouen.example", "mxid": CAMILLE}
    bound = public.post("/_matrix/identity/internal/bind", json=body, headers=credential)
    assert bound.status_code == 200
    assert stranger.post("/account/register", **OPENID).status_code == 200


def test_the_last_address_a_homeserver_takes_away_ends_the_tokens(public, credential, camille):
    def tell(what, address):
        body = {"medium": "email", "address": address, "mxid": CAMILLE}
        path = f"/_matrix/identity/internal/{what}"
        assert public.post(path, json=body, headers=credential).status_code == 200

    one, other = "camille.durand@ac-rouen.example", "c.durand@ac-rouen.example"
    tell("bind", one)
    tell("bind", other)
    tell("unbind", one)
    assert camille.get("/account").status_code == 200
    tell("unbind", other)
    assert is_signed_out(camille)


def test_the_class_is_asked_anew_at_each_use(decided, clock):
    """An agent who becomes a guest, and one again, with the same token all the time."""
    current = [decided.rules.current()]
    changing = replace(decided, rules=Changing(current))
    with decided.database.transaction() as session:
        session.get(Homeserver, NAME).class_source = "by_person"
        binding.record_verified(session, clock(), address=HERS, user_id=CAMILLE)
        associations.bind(session, clock(), address="zoe@ac-rouen.example", user_id=ZOE)
        identity_accounts.register(session, clock(), user_id=ZOE)
    camille = Program(create_app(changing).test_client(), changing)
    guests_only = RuleSet.compile(
        [each for each in current[0].rules if each.kind is RuleKind.DEFAULT]
    )
    for rules, is_agent in ((current[0], True), (guests_only, False), (current[0], True)):
        current[0] = rules
        found = look_up(camille, "zoe@ac-rouen.example")
        assert found == ([ZOE] if is_agent else [])
        answer = invite(camille)
        assert answer.status_code == (200 if is_agent else 403), answer.json


@dataclass
class Changing:
    """Rules that somebody publishes meanwhile."""

    held: list[RuleSet]
    degraded: bool = False

    def current(self) -> RuleSet:
        return self.held[0]


def look_up(program: Program, address: str) -> list[str]:
    """Whose the address is, as far as this program is told: by its hash."""
    pepper = program.get("/hash_details").json["lookup_pepper"]
    digest = hashlib.sha256(f"{address} email {pepper}".encode()).digest()
    hashed = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    answer = program.post("/lookup", algorithm="sha256", pepper=pepper, addresses=[hashed])
    return list(answer.json["mappings"].values())


def invite(program: Program):
    return program.post(
        "/store-invite",
        medium="email",
        address="lea@asso.example",
        room_id="!room:education.example",
        sender=program.user_id,
    )


def test_what_has_ended_is_deleted(decided, camille, public, clock, deactivate):
    zoe = Program(public, decided, user_id=ZOE)
    clock.advance(days=45)
    zoe.get("/account")
    deactivate("@lou:education.example")
    clock.advance(days=45)

    def deleted():
        with decided.database.transaction() as session:
            return cleaned(session, clock())["identity tokens"]

    assert deleted() == 1
    assert deleted() == 0
    assert zoe.get("/account").status_code == 200
    with decided.database.reading() as session:
        assert session.scalars(select(EndedAccount)).all() == []
