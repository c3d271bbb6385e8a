"""Where a person is, beside where the rules send the address: who is told, and how."""

from dataclasses import replace

import pytest
from sqlalchemy.exc import OperationalError

from identity.app import create_app
from identity.invitations.models import Delivery
from identity.threepids import account_models as identity_accounts, associations
from tests.worlds.api import *
from tests.worlds.api import ask

ANA = "ana@ac-rouen.example"
ELSEWHERE = "former.example"


@pytest.fixture
def bound(services, clock):
    """Ana is on a homeserver her rule does not name; Bea is where she belongs."""
    with services.database.transaction() as session:
        for address, user_id in (
            (ANA, f"@ana:{ELSEWHERE}"),
            ("bea@ac-rouen.example", "@bea:education.example"),
            ("col@defense.example", "@col:agents.example"),
        ):
            associations.bind(session, clock(), address=address, user_id=user_id)


@pytest.fixture
def at_level(decided, bound):
    def client(level, listener="public", **facts):
        settings = decided.settings.model_copy(update={"info_person_level": level})
        return create_app(
            replace(decided, settings=settings, **facts), listener=listener
        ).test_client()

    return client


def plain(answer):
    return {name: value for name, value in answer.json.items() if name != "org.guichet"}


def test_off_nobody_is_told(at_level, credential):
    answer = ask(at_level("off"), ANA, headers=credential)
    assert plain(answer) == {"hs": "education.example"}
    assert ELSEWHERE not in answer.text


def test_authenticated_a_homeserver_is_told_and_others_are_not(at_level, credential):
    client = at_level("authenticated")
    assert plain(ask(client, ANA)) == {"hs": "education.example"}
    wrong = {"Authorization": "Bearer guichet_wrong"}
    assert plain(ask(client, ANA, headers=wrong)) == {"hs": "education.example"}
    told = plain(ask(client, ANA, headers=credential))
    assert told == {"hs": ELSEWHERE, "new_hs": "education.example"}


def test_legacy_everybody_is_told(at_level):
    client = at_level("legacy")
    assert plain(ask(client, ANA)) == {"hs": ELSEWHERE, "new_hs": "education.example"}
    assert plain(ask(client, ANA.upper())) == plain(ask(client, ANA))


def test_authenticated_a_matrix_user_with_a_token_of_ours_is_told(at_level, services, clock):
    with services.database.transaction() as session:
        token = identity_accounts.issue(session, clock(), user_id="@zoe:education.example")
    answer = ask(at_level("authenticated"), ANA, headers={"Authorization": f"Bearer {token}"})
    assert plain(answer)["hs"] == ELSEWHERE


@pytest.mark.parametrize("level", ["authenticated", "legacy"])
def test_whoever_is_where_the_rule_says_is_answered_by_the_rule(at_level, credential, level):
    client = at_level(level)
    for address, ip, expected in (
        ("bea@ac-rouen.example", "127.0.0.1", {"hs": "education.example"}),
        ("unknown@ac-rouen.example", "127.0.0.1", {"hs": "education.example"}),
        ("col@defense.example", "203.0.113.5", {"hs": "agents.example"}),
        (
            "col@defense.example",
            "10.1.2.3",
            {"hs": "inside.example", "shadow_hs": "agents.example"},
        ),
    ):
        assert plain(ask(client, address, ip=ip, headers=credential)) == expected


def test_homeservers_learn_where_to_register_and_beside_it_where_the_person_is(at_level):
    for level in ("off", "authenticated"):
        answer = ask(at_level(level, "internal"), ANA, path="/internal-info")
        assert plain(answer)["hs"] == "education.example"
        assert answer.json["org.guichet"]["current_hs"] == ELSEWHERE
    bea = ask(at_level("off", "internal"), "bea@ac-rouen.example", path="/internal-info")
    assert "current_hs" not in bea.json["org.guichet"]


def test_legacy_homeservers_are_answered_as_they_are_used_to(at_level):
    answer = ask(at_level("legacy", "internal"), ANA, path="/internal-info")
    assert plain(answer) == {
        "hs": ELSEWHERE,
        "new_hs": "education.example",
        "requires_invite": False,
        "invited": False,
    }


class Away:
    """A database that does not answer."""

    epoch = None

    def reading(self):
        raise OperationalError("select", {}, Exception("away"))

    transaction = reading


def test_with_the_database_away_a_homeserver_still_learns_where_to_register(at_level):
    answer = ask(at_level("off", "internal", database=Away()), ANA, path="/internal-info")
    assert answer.status_code == 200
    assert plain(answer)["hs"] == "education.example"
    legacy = ask(at_level("legacy", "internal", database=Away()), ANA, path="/internal-info")
    assert legacy.status_code == 503


def test_an_invitation_that_waits_lets_its_address_register(internal, invite, clock):
    def invited(address):
        answer = ask(internal, address, path="/internal-info").json
        return answer["requires_invite"], answer["invited"]

    assert invited("gil@asso.example") == (True, False)
    invite()
    assert invited("Gil@ASSO.example") == (True, True)
    assert invited("lea@asso.example") == (True, False)
    clock.advance(days=30)
    assert invited("gil@asso.example") == (True, False)


def test_an_invitation_that_was_taken_lets_nobody_else_register(internal, invite):
    invite(delivery=Delivery.DELIVERED)
    answer = ask(internal, "gil@asso.example", path="/internal-info").json
    assert answer["invited"] is False
