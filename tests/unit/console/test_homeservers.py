"""The page of a homeserver: which rules it has, what waits for it, and what is wrong with it."""

import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from identity.core import journal, outbox
from identity.core.findings import Finding, State
from identity.core.journal import Actor
from identity.core.outbox import Job, JobKind, Lane
from identity.health import finding_models
from identity.homeservers import changing, credentials, module_models, rules_held
from identity.invitations import homeserver_jobs
from identity.invitations.models import Delivery, ThirdPartyInvitation
from identity.keys import service as signing_keys
from identity.operators.roles import Role, Scope
from identity.routing.rules_in_force import RulesInForce
from identity.rule_changes import changes, service as rule_changes
from identity.rule_changes.change_models import ChangeState
from identity.synapse_api import report_models
from tests.worlds.admin_api import *
from tests.worlds.console import *
from tests.worlds.services import EDUCATION, agent
from tests.worlds.visitors import words

GUESTS = "guests.example"
PAGE = f"/admin/homeservers/{EDUCATION}"
OLGA = Actor("Olga", "a test", "why")


@pytest.fixture
def services(services):
    """Of a process that looks at the rules at every question, and not once a second."""
    at_once = RulesInForce(services.database, services.now, look_every=0)
    return replace(services, rules=at_once)


@pytest.fixture
def hear(services, clock):
    """The module of a homeserver asks for the rules, and has this revision then."""

    def hear(name, revision):
        with services.database.transaction() as session:
            facts = {"version": 2, "reports": "", "actions": "", "skipped": 0}
            facts |= {"heard_at": clock(), "revision": revision, "sent_revision": revision}
            module_models.upsert(session, name, facts)

    return hear


@pytest.fixture
def publish(services, clock):
    """Publish one more rule, as an applied change; returns the number of the change."""

    def publish(domain):
        with services.database.transaction() as session:
            put = [agent(domain)]
            change = changes.make(session, clock(), OLGA, title=f"Open {domain}", put=put)
            difference = rule_changes.compare(session, put=put)
            change.revision = rule_changes.publish(session, clock(), difference, OLGA)
            change.state, change.applied_at = ChangeState.APPLIED, clock()
            change.applied_by = OLGA.name
        clock.advance(seconds=5)
        return change.number

    return publish


@pytest.fixture
def invite(services, clock):
    """An invitation by somebody elsewhere to somebody of this homeserver, in this delivery."""

    def invite(delivery, invitee=f"@gil:{EDUCATION}", **facts):
        token = str(uuid.uuid4())
        with services.database.transaction() as session:
            row = ThirdPartyInvitation(
                address="gil@ac-rouen.example",
                room_id=f"!room:{GUESTS}",
                sender=f"@zoe:{GUESTS}",
                token=token,
                public_key=token,
                sealed_key="sealed",
                signing_key_id="ed25519:0",
                facts={},
                for_guest=True,
                created_at=clock(),
                expires_at=clock() + timedelta(days=30),
                delivery=delivery,
                invitee=invitee,
                state="accepted",
                **facts,
            )
            session.add(row)
            session.flush()
            return row.id

    return invite


@pytest.fixture
def enqueue(services, clock):
    """A job for a homeserver; given up if `why` is said. Returns its id."""

    def enqueue(kind, homeserver=EDUCATION, why=None):
        with services.database.transaction() as session:
            subject = uuid.uuid4()
            outbox.enqueue(session, kind, subject, clock(), lane=Lane.BULK, homeserver=homeserver)
            session.flush()
            job = outbox.find_by_subject(session, subject)
            if why is not None:
                job.gave_up_at, job.last_error, job.attempts = clock(), why, 7
            clock.advance(seconds=1)
            return job.id

    return enqueue


def taken(services, revision):
    with services.database.reading() as session:
        return rules_held.describe(session, revision)


def test_only_homeservers_that_are_expected_to_take_rules_are_counted(services, hear, clock):
    hear(EDUCATION, 88)
    found = taken(services, 88)
    assert (found["taken_by"], found["of"], found["late"]) == (1, 1, [])
    assert [(each["name"], each["why"]) for each in found["apart"]] == [(GUESTS, "never_heard")]
    hear(GUESTS, None)  # an older version wrote that down
    (late,) = taken(services, 88)["late"]
    assert (late["name"], late["revision"]) == (GUESTS, None)
    hear(GUESTS, 87)
    found = taken(services, 88)
    assert (found["taken_by"], found["of"], found["late"][0]["revision"]) == (1, 2, 87)
    assert taken(services, 87)["taken_by"] == 2
    for change, why in ((changing.retire, "retired"), (changing.suspend, "suspended")):
        with services.database.transaction() as session:
            change(session, clock(), OLGA, GUESTS)
        found = taken(services, 88)
        assert (found["taken_by"], found["of"], found["late"]) == (1, 1, [])
        assert found["apart"][0]["why"] == why


def test_home_list_and_page_say_which_revision_a_homeserver_has_and_since_when(
    sign_in, vera, hear, clock, publish
):
    for name in (EDUCATION, GUESTS):
        hear(name, 1)
    clock.advance(seconds=12)
    browser = sign_in(vera)
    assert "· taken by 2 homeservers of 2" in words(browser.get("/admin/"))
    for path in ("/admin/", "/admin/homeservers", PAGE):
        assert "revision 1, read 12 s ago" in words(browser.get(path)), path
    publish("asso.example")
    hear(GUESTS, 2)
    page = words(browser.get("/admin/"))
    assert "· taken by 1 homeserver of 2 (not yet: " in page
    assert "(the newest: 2)" in words(browser.get(PAGE))
    clock.advance(minutes=5)
    french = sign_in(vera, language="fr")
    said = "révision 1, lue il y a 5 min (la plus récente : 2)"
    assert said in words(french.get(PAGE))


def test_a_change_says_who_has_not_taken_it_until_all_have(
    sign_in, vera, make_operator, hear, publish, program, services
):
    for name in (EDUCATION, GUESTS):
        hear(name, 1)
    number = publish("asso.example")
    hear(EDUCATION, 2)
    path = f"/admin/changes/C-{number}"
    browser = sign_in(vera)
    answer = browser.get(path)
    assert "Revision 2 · 1 homeserver of 2" in words(answer)
    assert "has revision 1, read 5 s ago" in words(answer)
    assert "progress.js" in answer.text
    shown = program(Role.VIEWER).get(f"/changes/{number}").json["taken"]
    assert (shown["revision"], shown["taken_by"], shown["of"]) == (2, 1, 2)
    assert [each["name"] for each in shown["late"]] == [GUESTS]
    # Whoever looks after one homeserver reads of no other.
    theirs = make_operator("Lou", Role.VIEWER, scope=Scope(homeservers=frozenset({EDUCATION})))
    page = sign_in(theirs).get(path)
    assert "the homeserver has it" in words(page)
    assert GUESTS not in page.text
    hear(GUESTS, 2)
    answer = browser.get(path)
    assert "Revision 2 · all 2 homeservers have it" in words(answer)
    assert "progress.js" not in answer.text


def test_a_page_follows_for_ten_minutes_and_then_rests(sign_in, vera, hear, publish, clock):
    hear(EDUCATION, 1)
    number = publish("asso.example")
    clock.advance(minutes=10)
    answer = sign_in(vera).get(f"/admin/changes/C-{number}")
    assert "Revision 2 · 0 homeservers of 1" in words(answer)
    assert "progress.js" not in answer.text


def test_what_is_to_be_delivered_there_is_counted_and_listed_by_whom_it_is_for(
    sign_in, vera, invite, services
):
    dead = invite(Delivery.DEAD, last_error="told once, and nobody to ask")
    waiting = [invite(Delivery.DUE), invite(Delivery.SENDING)]
    others = [
        invite(Delivery.DELIVERED),
        invite(Delivery.WAITING, None),
        invite(Delivery.DEAD, f"@x:{GUESTS}"),
    ]
    browser = sign_in(vera)
    page = browser.get(PAGE)
    assert "2 waiting · 1 given up See all See those given up" in words(page)
    link = re.search(r'href="(/admin/invitations\?[^"]*delivery=dead[^"]*)"', page.text)[1]
    listed = browser.get(link.replace("&amp;", "&"))
    assert str(dead) in listed.text
    assert "told once, and nobody to ask" in listed.text
    assert not [each for each in (*waiting, *others) if str(each) in listed.text]
    listed = browser.get(f"/admin/invitations?to={EDUCATION}").text
    assert [str(each) in listed for each in (dead, *waiting)] == [True] * 3
    assert not [each for each in others if str(each) in listed]


def test_a_replay_is_a_list_with_its_danger_before_it_is_done(
    sign_in, make_operator, invite, services
):
    dead = invite(Delivery.DEAD, last_error="uncertain, and nobody to ask: 504")
    left = invite(Delivery.DEAD)
    browser = sign_in(make_operator("Sal", Role.SUPPORT))
    browser.get(f"/admin/invitations?to={EDUCATION}&delivery=dead")
    asked = browser.post("/admin/invitations/several", change="deliver", id=str(dead))
    assert "uncertain, and nobody to ask: 504" in words(asked)
    assert "whoever has joined is put back" in words(asked)
    with services.database.reading() as session:
        assert session.get(ThirdPartyInvitation, dead).delivery == Delivery.DEAD
    browser.post(
        "/admin/invitations/several/do", change="deliver", id=str(dead), reason="ticket 4412"
    )
    with services.database.reading() as session:
        assert session.get(ThirdPartyInvitation, dead).delivery == Delivery.DUE
        assert session.get(ThirdPartyInvitation, left).delivery == Delivery.DEAD
        job = outbox.find_by_subject(session, dead, JobKind.ONBIND)
        assert job.homeserver == EDUCATION


def test_other_jobs_are_listed_and_only_harmless_ones_are_tried_again(
    sign_in, make_operator, vera, enqueue, services, program
):
    cleared = enqueue(JobKind.REVOCATION, why="503 of its proxy")
    row = enqueue(JobKind.LIST_ROW, why="away")
    elsewhere = enqueue(JobKind.REVOCATION, GUESTS, why="away")
    enqueue(JobKind.ACCOUNT)
    enqueue(JobKind.ONBIND)  # stands with its invitation
    assert "1 waiting · 2 given up" in words(sign_in(vera).get(PAGE))
    assert "Try the ticked" not in words(sign_in(vera).get(f"{PAGE}/jobs"))
    browser = sign_in(make_operator("Sal", Role.SUPPORT))
    page = browser.get(f"{PAGE}/jobs")
    assert "503 of its proxy" in words(page)
    assert re.findall(r'name="id" value="([^"]+)"', page.text) == [str(cleared)]
    shown = program(Role.VIEWER).get(f"/homeservers/{EDUCATION}/jobs").json["items"]
    assert [each["kind"] for each in shown] == ["revocation", "list_row", "account"]
    assert [each["state"] for each in shown] == ["given_up", "given_up", "waiting"]
    enqueue("of_later")  # by a process of a newer version
    assert "of_later" in words(browser.get(f"{PAGE}/jobs"))
    browser.post(
        f"{PAGE}/jobs",
        id=[str(cleared), str(row), str(elsewhere), "none"],
        reason="ticket 4412",
    )
    with services.database.reading() as session:
        given_up = [session.get(Job, each).gave_up_at for each in (cleared, row, elsewhere)]
        entry = journal.find_recent(session, limit=1)[0]
    assert [at is None for at in given_up] == [True, False, False]
    assert (entry.action, entry.subject) == ("homeserver.retry_jobs", EDUCATION)
    assert json.loads(entry.facts) == {"jobs": 1, "kinds": ["revocation"]}
    with services.database.transaction() as session:
        again = homeserver_jobs.try_again(session, services.now(), OLGA, EDUCATION, [cleared])
        assert again == 0


def test_a_job_that_nobody_ticked_is_left_alone_though_it_is_about_the_same(enqueue, services):
    given_up, under_way = enqueue(JobKind.REVOCATION, why="away"), enqueue(JobKind.ROOM_TOOK)
    with services.database.transaction() as session:
        other = session.get(Job, under_way)
        other.subject_id = session.get(Job, given_up).subject_id
        leased = other.due_at = services.now() + outbox.LEASE
    with services.database.transaction() as session:
        ids = [given_up, under_way]
        assert homeserver_jobs.try_again(session, services.now(), OLGA, EDUCATION, ids) == 1
    with services.database.reading() as session:
        assert session.get(Job, given_up).due_at == services.now()
        assert session.get(Job, under_way).due_at == leased


def test_two_who_try_the_same_jobs_at_once_try_them_once(enqueue, services):
    given_up = [enqueue(JobKind.REVOCATION, why="away") for _ in range(3)]

    def try_them(ids):
        with services.database.transaction() as session:
            return homeserver_jobs.try_again(session, services.now(), OLGA, EDUCATION, ids)

    with ThreadPoolExecutor(4) as pool:
        tried = list(pool.map(try_them, [given_up, given_up[::-1]] * 2))
    assert sorted(tried) == [0, 0, 0, 3]


def test_programs_read_the_jobs_to_their_end_page_by_page(enqueue, program):
    expected = [str(enqueue(JobKind.REVOCATION, why="away")) for _ in range(3)]
    caller, read, after = program(Role.VIEWER), [], ""
    while after is not None:
        page = caller.get(f"/homeservers/{EDUCATION}/jobs?limit=2&after={after}").json
        read += [each["id"] for each in page["items"]]
        after = page["next"]
    assert read == expected


def test_what_doctor_found_about_it_stands_with_what_mends_it(
    sign_in, vera, services, clock, program
):
    with services.database.transaction() as session:
        finding_models.replace(
            session,
            clock(),
            [
                Finding("relay", State.FAILED, "no relay", "mend the relay"),
                Finding(EDUCATION, State.OK, "it answers"),
                Finding(EDUCATION, State.FAILED, "profiles are open", "limit_profile_requests"),
                Finding(GUESTS, State.FAILED, "of another one", "elsewhere"),
            ],
        )
    page = words(sign_in(vera).get(PAGE))
    assert ("profiles are open" in page, "limit_profile_requests" in page) == (True, True)
    assert "it answers" in page
    assert ("no relay" in page, "of another one" in page) == (False, False)
    found = program(Role.VIEWER).get(f"/homeservers/{EDUCATION}/findings").json["items"]
    assert [each["told"] for each in found] == ["it answers", "profiles are open"]


def test_refusals_are_those_of_seven_days_of_its_own_module(sign_in, vera, services, clock):
    with services.database.transaction() as session:
        for name, reason, count, days in (
            (EDUCATION, "guest_may_not_invite", 3, 0),
            (EDUCATION, "guest_may_not_invite", 4, 6),
            (EDUCATION, "guest_may_not_invite", 500, 8),
            (EDUCATION, "may_not_create_room", 41, 1),
            (GUESTS, "guest_may_not_invite", 1000, 0),
        ):
            report_models.add_refusal_counts(
                session,
                homeserver=name,
                reason=reason,
                count=count,
                hour_at=clock() - timedelta(days=days),
            )
    page = words(sign_in(vera).get(PAGE))
    assert page.index("may_not_create_room: 41") < page.index("guest_may_not_invite: 7")


def test_of_a_module_that_makes_up_reasons_the_commonest_are_shown(sign_in, vera, services, clock):
    with services.database.transaction() as session:
        for count in range(1, 61):
            report_models.add_refusal_counts(
                session, homeserver=EDUCATION, reason=f"why {count}!", count=count, hour_at=clock()
            )
    page = words(sign_in(vera).get(PAGE))
    assert [n for n in range(1, 61) if f"why {n}!: {n}" in page] == list(range(11, 61))


def test_the_ages_of_its_credential_and_of_our_key_are_told_in_days(sign_in, ada, services, clock):
    with services.database.transaction() as session:
        credentials.issue(session, clock(), homeserver=EDUCATION)
        signing_keys.current_key(session, services.vault, clock())
    clock.advance(days=41)
    page = words(sign_in(ada).get(PAGE))
    assert page.count("41 days") == 2
