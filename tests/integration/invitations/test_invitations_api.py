"""/api/homeserver/v1/invitations: a homeserver sees and changes what its own users invited, and nothing else."""

from datetime import timedelta
from uuid import UUID

import pytest

from domain_rules.addresses import EmailAddress
from identity.homeservers import credentials
from identity.invitations import (
    delivery,
    mail_grouping,
    models as third_party_invitations,
    muting,
    service as invitations,
)
from identity.invitations.models import Awaits, Delivery
from identity.invitations.store_invite import EphemeralKey, InviteRequest
from identity.mail import models as mails
from tests.worlds.api import *
from tests.worlds.inviting import stored_in_room

ZOE, ADA = "@zoe:education.example", "@ada:education.example"
EVE = "@eve:agents.example"
GIL = "gil.perrin@asso.example"
PATH = "/api/homeserver/v1/invitations"


@pytest.fixture
def store(decided, clock):
    def store(address=GIL, sender=ZOE, room_id="!room:education.example"):
        clock.advance(seconds=1)
        with decided.database.transaction() as session:
            kept = stored_in_room(
                session,
                decided.rules.current(),
                clock(),
                invited=InviteRequest(address, EmailAddress.parse(address), room_id, sender),
                key=EphemeralKey(f"public {clock()}", "sealed"),
                signing_key_id="ed25519:0",
            )
        return str(kept.id)

    return store


@pytest.fixture
def ask(public, credential):
    """GET as education.example; `ask(sender=…)`, `ask(id)`."""

    def ask(path="", **query):
        query = {"sender": ZOE} | query
        return public.get(f"{PATH}{path and '/'}{path}", query_string=query, headers=credential)

    return ask


@pytest.fixture
def act(public, credential):
    def act(path, **body):
        return public.post(f"{PATH}/{path}", json={"sender": ZOE} | body, headers=credential)

    return act


def refused(answer):
    return answer.status_code, answer.json["errcode"]


def change(decided, clock, invitation_id, function, **facts):
    with decided.database.transaction() as session:
        row = third_party_invitations.find(session, UUID(invitation_id))
        return function(session, clock(), row, **facts)


def test_its_users_see_whom_they_invited_newest_first(ask, store):
    first, second = store(), store("lea@asso.example", room_id="!other:x")
    store(sender=ADA)
    told = ask().json
    assert [each["id"] for each in told["invitations"]] == [second, first]
    assert told["next"] is None
    assert (
        told["invitations"][1] | {"state": "queued", "address": GIL, "sender": ZOE}
        == (told["invitations"][1])
    )


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"room_id": "!other:x"}, ["lea@asso.example"]),
        ({"address": "GIL.Perrin@asso.example"}, [GIL]),
        ({"state": "revoked"}, [GIL]),
        ({"state": "queued"}, ["lea@asso.example"]),
        ({"state": "joined"}, []),
        ({"sender": ADA}, []),
    ],
)
def test_it_is_found_by_what_is_known_of_it(ask, act, store, query, found):
    act(f"{store()}/revoke")
    store("lea@asso.example", room_id="!other:x")
    assert [each["address"] for each in ask(**query).json["invitations"]] == found


def test_pages_follow_one_another_and_miss_nobody(ask, store):
    ids = [store(f"guest{number}@asso.example") for number in range(5)]
    seen, after = [], {}
    while True:
        told = ask(limit=2, **after).json
        seen += [each["id"] for each in told["invitations"]]
        if told["next"] is None:
            break
        after = {"after": told["next"]}
    assert seen == ids[::-1]


def test_one_is_shown_with_its_history_and_its_mails(ask, store, decided, clock):
    told = ask(store()).json
    assert [(each["happened"], each["by"]) for each in told["history"]] == [
        ("created", ZOE),
        ("mailed", ZOE),
    ]
    assert [(each["template"], each["state"]) for each in told["mails"]] == [("invite", "waiting")]


def test_the_inviter_is_not_told_why_it_was_declined_nor_who_took_it(ask, store, decided, clock):
    declined, taken = store(), store("lea@asso.example")
    change(
        decided,
        clock,
        declined,
        invitations.decline,
        unknown_inviter=True,
        by="the invited person",
    )
    with decided.database.transaction() as session:
        from_store = third_party_invitations.find_waiting(session, "lea@asso.example", clock())
        delivery.order_delivery(session, clock(), from_store[0], "@guest-x:guests.example")
    said = ask(declined).get_data(as_text=True)
    assert '"declined"' in said
    assert "unknown" not in said
    shown = ask(taken)
    assert shown.json["history"][-1]["by"] == "the invited person"
    assert "guest-x" not in shown.get_data(as_text=True)


def test_an_invitation_that_is_mailed_with_others_looks_like_one_alone(ask, store):
    for number in range(3):
        told = ask(store(room_id=f"!{number}:x")).json
        [mail] = told["mails"]
        assert (mail["template"], mail["state"]) == ("invite", "waiting")
        assert mail["created_at"] == told["created_at"]


def test_revoked_it_is_over(ask, act, store):
    made = store()
    assert act(f"{made}/revoke").json["state"] == "revoked"
    assert refused(act(f"{made}/revoke")) == (409, "org.guichet.invitation_over")
    assert refused(act(f"{made}/resend")) == (409, "org.guichet.invitation_over")
    assert refused(act(f"{made}/extend")) == (409, "org.guichet.invitation_over")
    assert ask(made).json["history"][-1]["by"] == ZOE


def test_a_paused_inviter_sends_nothing_again_and_lets_nothing_stand_longer(
    act, store, clock, services
):
    made, of_agent = store(), store("camille@ac-rouen.example")
    clock.advance(hours=1)
    with services.database.transaction() as session:
        for number in range(3):
            address = f"guest{number}@asso.example"
            muting.mute(session, services.hashes, clock(), address=address, sender=ZOE)
    for what in ("resend", "extend"):
        assert act(f"{made}/{what}", days=80).json["org.guichet.reason"] == "invitations_paused"
        assert act(f"{of_agent}/{what}").status_code == 200
    assert act(f"{made}/revoke").json["state"] == "revoked"


def test_its_mail_is_sent_again_after_an_hour(act, store, clock, services):
    made = store()
    too_soon = act(f"{made}/resend")
    assert refused(too_soon) == (429, "M_LIMIT_EXCEEDED")
    assert too_soon.json["retry_after_ms"] == 3_600_000
    clock.advance(hours=1)
    with services.database.transaction() as session:
        [mail] = mails.find_recent(session)
        mail_grouping.close(session, clock(), mails.find(session, mail.id))
    assert len(act(f"{made}/resend").json["mails"]) == 2


def test_what_its_room_has_not_taken_yet_is_not_sent_and_not_said_to_be_over(
    ask, act, store, clock, services
):
    made = store()
    clock.advance(hours=1)
    with services.database.transaction() as session:
        third_party_invitations.find(session, UUID(made)).awaits = Awaits.REPORT
    assert refused(act(f"{made}/resend")) == (409, "org.guichet.invitation_held")
    clock.advance(hours=-1)
    assert refused(act(f"{made}/resend")) == (409, "org.guichet.invitation_held")
    clock.advance(hours=1)
    assert len(ask(made).json["mails"]) == 1


def test_it_is_extended_and_one_that_expired_stands_again(act, store, clock):
    made = store()
    clock.advance(days=31)
    told = act(f"{made}/extend", days=10).json
    assert told["state"] == "queued"
    assert told["expires_at"] == (clock() + timedelta(days=10)).isoformat(timespec="seconds")


@pytest.mark.parametrize("days", [0, 91, "10", None, 1.5])
def test_it_is_extended_by_days_within_reason(act, store, days):
    assert refused(act(f"{store()}/extend", days=days)) == (400, "M_INVALID_PARAM")


def test_what_another_invited_is_nobodys_business(ask, act, store, decided, clock, public):
    made = store(sender=ADA)
    assert refused(ask(made)) == (404, "M_NOT_FOUND")
    for what in ("revoke", "resend", "extend"):
        assert refused(act(f"{made}/{what}")) == (404, "M_NOT_FOUND")
    assert refused(ask(made, sender=EVE)) == (403, "M_FORBIDDEN")
    assert refused(act(f"{made}/revoke", sender=EVE)) == (403, "M_FORBIDDEN")
    with decided.database.transaction() as session:
        other = credentials.issue(session, clock(), homeserver="guests.example")
    bearer = {"Authorization": f"Bearer {other}"}
    answer = public.get(f"{PATH}/{made}", query_string={"sender": ADA}, headers=bearer)
    assert refused(answer) == (403, "M_FORBIDDEN")
    assert ask(made, sender=ADA).status_code == 200


def test_without_a_credential_nothing_is_told_not_even_inside(either, store):
    made = store()
    assert refused(either.get(PATH, query_string={"sender": ZOE})) == (403, "M_FORBIDDEN")
    assert refused(either.post(f"{PATH}/{made}/revoke", json={"sender": ZOE})) == (
        403,
        "M_FORBIDDEN",
    )


@pytest.mark.parametrize(
    "query",
    [
        {"state": "gone"},
        {"limit": "0"},
        {"limit": "201"},
        {"limit": "²"},
        {"after": "x"},
        {"after": "9" * 18 + "-" + "0" * 32},
        {"room_id": "a\0b"},
        {"address": "a\0b"},
    ],
)
def test_what_cannot_be_looked_for_is_said_so(ask, query):
    assert refused(ask(**query)) == (400, "M_INVALID_PARAM")


def test_a_sender_has_to_be_named(public, credential):
    assert refused(public.get(PATH, headers=credential)) == (400, "M_MISSING_PARAMS")


def test_a_forgotten_address_is_told_to_be_so(ask, store, decided, clock):
    made = store()
    with decided.database.transaction() as session:
        row = third_party_invitations.find_waiting(session, GIL, clock())[0]
        row.address, row.delivery = "0123456789ab", Delivery.WAITING
    assert ask(made).json["address"] is None
