"""The queue loses no report while Guichet is away or Synapse restarts."""

from dataclasses import replace

import pytest

from domain_rules.synapse_modules import report_queue, reporter as binder
from domain_rules.synapse_modules.configuration import Config
from domain_rules.synapse_modules.refusals import Refusal
from tests.worlds.module import *
from tests.worlds.reporting_house import (
    ADDRESS,
    GIL,
    OWN,
    ROOM,
    SYNAPSE,
    ZOE,
    House,
    member,
    third_party,
)


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path / "synapse.db")
    made.start()
    made.synapse.database.executescript(SYNAPSE)
    made.work()
    return made


def test_what_is_verified_while_guichet_is_away_arrives_in_order_when_it_is_back(house):
    house.guichet.is_away = True
    house.verify()
    house.run(
        house.synapse.callbacks["on_remove_user_third_party_identifier"](GIL, "email", ADDRESS)
    )
    house.verify()
    house.work()
    house.restart()
    house.work()
    assert house.guichet.got == []
    house.guichet.is_away = False
    house.work(seconds=61)
    assert house.guichet.kinds == ["bound", "unbound", "bound"]
    assert house.synapse.associated == [
        (GIL, "email", ADDRESS, "guichet.example"),
        (GIL, "email", ADDRESS, "guichet.example"),
    ]
    house.work(seconds=7200)
    assert len(house.guichet.got) == 3


def test_a_silent_guichet_is_not_asked_every_other_second(house):
    house.guichet.is_away = True
    house.verify()
    for _ in range(4):
        house.work()
    house.guichet.is_away = False
    house.work()
    assert house.guichet.got == []
    house.work(seconds=60)
    assert house.guichet.kinds == ["bound"]


def test_reports_do_not_wait_once_guichet_was_heard_again(house):
    house.guichet.is_away = True
    house.verify()
    for _ in range(8):
        house.work(seconds=60)
    house.guichet.is_away = False
    house.work()
    assert house.guichet.got == []
    house.cache.rules_heard_ms = house.synapse.now
    house.work()
    assert house.guichet.kinds == ["bound"]


def test_a_credential_that_is_not_taken_loses_nothing(house):
    house.guichet.status = 403
    house.verify()
    house.work()
    house.guichet.status = 200
    house.work(seconds=60)
    assert house.guichet.kinds == ["bound"]


def test_phone_numbers_are_not_reported(house):
    house.verify("33100000000", medium="msisdn")
    house.work(seconds=3601)
    assert house.guichet.got == []


def test_addresses_from_before_the_module_and_lost_ones_are_found_by_comparing(house):
    with house.synapse.database as database:
        database.execute("INSERT INTO user_threepids VALUES (?, 'email', ?)", (GIL, ADDRESS))
    house.work(seconds=3601)
    assert [(one["kind"], one["address"]) for one in house.guichet.got] == [("bound", ADDRESS)]
    house.forget()
    house.work(seconds=3601)
    assert house.guichet.kinds == ["bound", "unbound"]
    house.work(seconds=3601)
    assert len(house.guichet.got) == 2


def test_an_address_that_was_not_taken_is_offered_again_when_the_rules_have_changed(house):
    house.guichet.results["bound"] = {"result": "rejected", "why": "wrong_server"}
    house.verify()
    house.work()
    house.work(seconds=3601)
    assert (house.guichet.kinds, house.synapse.associated) == (["bound"], [])
    house.guichet.results.clear()
    house.cache.revision = 2
    house.work(seconds=3601)
    assert house.guichet.kinds == ["bound", "bound"]
    assert len(house.synapse.associated) == 1


def test_a_guichet_with_another_database_is_told_of_every_address_again(house):
    house.verify()
    house.verify("gil@other.example")
    house.work()
    house.guichet.epoch = "two"
    house.verify("third@other.example")
    house.work()
    house.work()
    again = sorted(one["address"] for one in house.guichet.got[3:])
    assert again == [ADDRESS, "gil@other.example"]
    house.work(seconds=3601)
    assert len(house.guichet.got) == 5


KEY = {
    "public_key": "key",
    "key_validity_url": "https://guichet.example/_matrix/x",
    "display_name": "lea...",
}


def of(token, by=f"@ana:{OWN}", **content):
    return third_party(by, KEY | content, token)


def forget_all(house):
    """All that was reported so far is old news."""
    house.work()
    house.guichet.got.clear()


def test_a_guichet_with_another_database_is_told_what_stands_in_rooms_and_who_was_deactivated(
    house,
):
    house.synapse.add_event(of("open"))
    house.synapse.add_event(of("of another server", key_validity_url="https://vector.im/isvalid"))
    house.synapse.add_event(of("of nobody", key_validity_url=None))
    house.synapse.add_event(of("theirs", by=ZOE))
    house.synapse.add_event(third_party(f"@ana:{OWN}", {}, "empty"))
    house.synapse.add_event(of("token"))
    house.synapse.add_event(member("invite", by=f"@ana:{OWN}", by_mail=True))
    listed = [{"public_key": "k", "key_validity_url": "https://guichet.example/isvalid"}, "odd", {}]
    house.synapse.add_event(of("listed", key_validity_url=7, public_keys=listed))
    with house.synapse.database as database:
        database.execute("INSERT INTO users VALUES (?, 1), (?, 0)", (f"@max:{OWN}", GIL))
    house.verify()
    forget_all(house)
    house.cache.epoch = "two"
    house.work()
    house.work()
    told = {(one["kind"], one.get("token") or one["user_id"]) for one in house.guichet.got}
    assert told == {
        ("third_party_invite_stands", "open"),
        ("third_party_invite_stands", "listed"),
        ("deactivated", f"@max:{OWN}"),
        ("bound", GIL),
    }
    stands = next(one for one in house.guichet.got if one.get("token") == "open")
    assert (stands["shown"], stands["sender"], stands["room_id"]) == ("lea...", f"@ana:{OWN}", ROOM)
    assert stands["at"] < house.synapse.now


def test_a_new_epoch_is_told_once_however_it_was_heard_and_after_a_restart(house):
    house.synapse.add_event(of("open"))
    forget_all(house)
    house.guichet.epoch = "two"  # heard with the answer to a report, before the rules
    house.verify()
    for _ in range(3):
        house.work()
    house.cache.epoch = "two"
    house.work()
    house.restart()
    house.work()
    assert house.guichet.kinds.count("third_party_invite_stands") == 1
    house.guichet.epoch = house.cache.epoch = "three"
    house.work()
    house.work()
    assert house.guichet.kinds.count("third_party_invite_stands") == 2


def test_what_a_new_epoch_needs_is_not_lost_while_guichet_is_away(house):
    house.synapse.add_event(of("open"))
    forget_all(house)
    house.cache.epoch = house.guichet.epoch = "two"
    house.guichet.is_away = True
    house.work()
    house.restart()
    house.work()
    house.guichet.is_away = False
    house.work(seconds=61)
    assert house.guichet.kinds == ["third_party_invite_stands"]


def test_the_first_epoch_is_no_news(tmp_path):
    made = House(tmp_path / "synapse.db")
    made.start()
    made.synapse.database.executescript(SYNAPSE)
    made.synapse.add_event(of("open"))
    made.work()
    made.work()
    assert made.guichet.got == []


def test_events_are_read_from_where_the_last_process_stopped(house):
    house.synapse.add_event(member("invite", by=ZOE, by_mail=True))
    house.restart()
    house.synapse.add_event(member("join", displayname="Gil"))
    house.synapse.add_event(member("join", displayname="Gil G."))
    house.synapse.add_event(third_party(f"@ana:{OWN}", {"public_key": "key"}))
    house.synapse.add_event(third_party(f"@ana:{OWN}", {}))
    house.synapse.add_event(third_party(ZOE, {}))
    house.synapse.add_event(member("leave"))
    for _ in range(3):
        house.work()
    invitation = ["third_party_invited", "third_party_invite_revoked"]
    assert house.guichet.kinds == ["invited", "joined", *invitation, "left"]
    revoked = house.guichet.got[3]
    assert (revoked["token"], revoked["by"]) == ("token", f"@ana:{OWN}")


def test_the_homeserver_of_who_invited_tells_that_it_was_taken_back_whoever_did(house):
    max_, ana = "@max:interieur.example", f"@ana:{OWN}"
    house.synapse.add_event(third_party(ana, {"public_key": "key"}, "ours"))
    house.synapse.add_event(third_party(max_, {"public_key": "key"}, "theirs"))
    house.synapse.add_event(third_party(max_, {}, "ours"))
    house.synapse.add_event(third_party(ana, {}, "theirs"))
    house.synapse.add_event(third_party(ana, {}, "nobody's"))
    house.work()
    invited, revoked = house.guichet.got
    assert (invited["token"], invited["sender"]) == ("ours", ana)
    assert (revoked["token"], revoked["by"]) == ("ours", max_)
    assert house.guichet.kinds == ["third_party_invited", "third_party_invite_revoked"]


def test_an_agent_who_invited_by_mail_is_reported_when_they_go(house):
    house.cache.guests = False
    ana = f"@ana:{OWN}"
    house.synapse.add_event(third_party(ana, {"public_key": "key"}))
    for who in (ana, GIL):
        for membership in ("join", "leave"):
            house.synapse.add_event(member(membership, by=who, user_id=who))
    house.work()
    assert [(one["kind"], one.get("user_id")) for one in house.guichet.got] == [
        ("third_party_invited", None),
        ("left", ana),
    ]


def test_an_agent_is_reported_only_where_a_mail_invited_them(house):
    house.cache.guests = False
    house.synapse.add_event(member("invite", by=ZOE))
    house.synapse.add_event(member("join"))
    house.work()
    assert house.guichet.got == []
    house.synapse.add_event(member("leave"))
    house.synapse.add_event(member("invite", by=ZOE, by_mail=True))
    house.synapse.add_event(member("join"))
    house.synapse.add_event(member("leave"))
    house.work()
    assert house.guichet.kinds == ["invited", "joined", "left"]


def test_who_came_by_mail_is_reported_when_they_go_however_often_their_name_changed(house):
    house.cache.guests = False
    house.synapse.add_event(member("invite", by=ZOE, by_mail=True))
    for number in range(10):
        house.synapse.add_event(member("join", displayname=f"Gil {number}"))
    house.synapse.add_event(member("leave"))
    house.work()
    assert house.guichet.kinds == ["invited", "joined", "left"]


def test_what_the_room_did_not_accept_is_no_news(house):
    house.synapse.add_event(member("join"), soft_failed=True)
    house.synapse.add_event(member("join"), rejected="auth_error")
    house.work()
    assert house.guichet.got == []


def test_history_from_before_the_module_is_not_reported(tmp_path):
    made = House(tmp_path / "synapse.db")
    made.start()
    made.synapse.database.executescript(SYNAPSE)
    made.synapse.add_event(member("invite", by=ZOE))
    made.work()
    made.synapse.add_event(member("join"))
    made.work()
    assert made.guichet.kinds == ["joined"]


def test_an_event_that_is_written_late_is_not_passed_by(house):
    house.synapse.number += 1
    late = house.synapse.number
    house.synapse.add_event(member("invite", by=ZOE))
    house.work()
    house.synapse.number = late - 1
    house.synapse.add_event(member("invite", by=ZOE, user_id=f"@lea:{OWN}"))
    house.work()
    assert [one["user_id"] for one in house.guichet.got] == [GIL, f"@lea:{OWN}"]


def test_a_report_that_cannot_be_read_does_not_keep_the_others(house):
    house.guichet.unreadable = "deactivated"
    house.verify()
    house.run(house.synapse.callbacks["on_user_deactivation_status_changed"](GIL, True, False))
    house.verify("gil@other.example")
    house.work()
    assert house.guichet.kinds == ["bound", "bound"]


def test_who_is_deactivated_is_reported_and_who_is_activated_again_is_not(house):
    changed = house.synapse.callbacks["on_user_deactivation_status_changed"]
    house.run(changed(GIL, True, False))
    house.run(changed(GIL, False, True))
    house.work()
    assert [(one["kind"], one["user_id"]) for one in house.guichet.got] == [("deactivated", GIL)]


def test_refusals_are_counted_by_person_and_reason_without_what_was_only_logged(house):
    for at, enforced in ((5, True), (9, True), (99, False)):
        house.refused.kept.append(Refusal("guest_may_not_invite", GIL, at, enforced))
    house.run(house.part.report_refusals())
    house.run(house.part.report_refusals())
    house.work()
    (told,) = house.guichet.got
    assert told["refusals"] == [
        {"user_id": GIL, "reason": "guest_may_not_invite", "count": 2, "last_at": 9}
    ]


def test_what_was_sent_does_not_stay(house):
    house.verify()
    house.synapse.add_event(member("invite", by=ZOE))
    house.work()
    house.synapse.number += report_queue.OVERLAP + 10
    house.synapse.add_event(member("join"))
    house.work()
    left = house.synapse.database.execute("SELECT kind FROM guichet_reports").fetchall()
    assert left == [("joined",)]


@pytest.mark.parametrize(
    ("url", "names", "expected"),
    [
        ("https://guichet.example", set(), "guichet.example"),
        ("https://guichet.example", {"guichet.example", "a.example"}, "guichet.example"),
        ("https://inside.example", {"guichet.example"}, "guichet.example"),
        ("http://127.0.0.1:8090", {"guichet.example"}, "guichet.example"),
        ("http://127.0.0.1:8090", set(), None),
    ],
)
def test_synapse_asks_the_name_it_can_reach(house, url, names, expected):
    config = Config(url, "credential", frozenset(names))
    part = binder.Reporter(replace(house.context, config=config))
    assert part.identity_server == expected
