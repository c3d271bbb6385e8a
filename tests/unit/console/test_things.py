"""Homeservers, mails, invitations, incidents, health and journal, as operators with a role see and change them."""

import re
import uuid
from datetime import timedelta

import pytest

from identity.console.pages.journal import _guarded
from identity.core import journal, journal_checks, outbox
from identity.core.code_version import code_version
from identity.core.findings import Finding, State
from identity.core.outbox import Job, JobKind, Lane
from identity.freezes import models as freezes
from identity.freezes.models import Frozen
from identity.health import finding_models, jobs as health, looking
from identity.homeservers import credentials, health_models, models as homeservers, standing
from identity.invitations import block_models
from identity.invitations.models import State as InvitationState, ThirdPartyInvitation
from identity.mail import models as mails, pausing, tries
from identity.mail.models import Mail, MailState
from identity.mail.quota import Template
from identity.operators.roles import Role, Scope
from tests.worlds.console import *
from tests.worlds.visitors import heading, words
from workers import tasks

WHY = "ticket 4412"
ZOE = "@zoe:education.example"


@pytest.fixture
def invite(services, clock):
    """An invitation as a homeserver stored it; returns its id."""

    def invite(**facts):
        token = str(uuid.uuid4())
        stored = {
            "address": "gil@asso.example",
            "room_id": "!room:education.example",
            "sender": ZOE,
            "token": token,
            "public_key": token,
            "sealed_key": "sealed",
            "signing_key_id": "ed25519:0",
            "facts": {},
            "for_guest": True,
            "created_at": clock(),
            "expires_at": clock() + timedelta(days=30),
        }
        with services.database.transaction() as session:
            row = ThirdPartyInvitation(**stored | facts)
            session.add(row)
            session.flush()
            return row.id

    return invite


@pytest.fixture
def order(services, clock):
    """A mail is ordered; returns its id."""

    def order(address="gil@asso.example", template=Template.INVITE):
        with services.database.transaction() as session:
            mail = mails.order(
                session,
                clock(),
                template=template,
                address=address,
                language="fr",
                subject_id=uuid.uuid4(),
            )
            session.flush()
            return mail.id

    return order


@pytest.fixture
def sal(make_operator):
    return make_operator("Sal", Role.SUPPORT)


@pytest.fixture
def stored(services):
    """A row of a table, as it stands now."""

    def stored(table, key):
        with services.database.reading() as session:
            return session.get(table, key)

    return stored


@pytest.fixture
def last_row(services):
    """The newest row of the journal."""

    def last_row():
        with services.database.reading() as session:
            return journal.find_recent(session, limit=1)[0]

    return last_row


def test_a_freeze_is_begun_with_a_reason_ends_by_itself_and_is_lifted(
    sign_in, ines, services, clock, last_row
):
    browser = sign_in(ines)
    browser.get("/admin/incidents")
    asked = browser.post("/admin/incidents", what="sign-ups", hours="4", name="")
    assert heading(asked) == "Confirm"
    browser.post("/admin/incidents", what="sign-ups", hours="4", name="", reason=WHY)
    row = last_row()
    assert (row.action, row.actor, row.reason) == ("freeze.begin", "Ines", WHY)
    assert row.origin.startswith("console from ")
    assert row.request_id
    assert "Sign-ups By Ines since" in words(browser.get("/admin/incidents"))
    assert services.freezes.current().of(Frozen.SIGN_UPS) is not None
    clock.advance(hours=4)
    again = sign_in(ines)
    assert "Nothing is stopped." in words(again.get("/admin/incidents"))
    again.post("/admin/incidents", what="all", hours="1", name="", reason=WHY)
    again.post("/admin/incidents/thaw", what="mails", name="", reason=WHY)
    with services.database.reading() as session:
        left = freezes.find_in_force(session, clock()).each
    assert [each.what for each in left] == ["invitations", "sign-ups"]


def test_a_domain_is_named_as_people_write_it_and_what_is_none_is_told(
    sign_in, ines, services, clock
):
    browser = sign_in(ines)
    browser.get("/admin/incidents")
    wrong = browser.post("/admin/incidents", what="domain", hours="4", name="no domain", reason=WHY)
    assert wrong.status_code == 400
    assert "This is no domain." in words(wrong)
    browser.post("/admin/incidents", what="domain", hours="4", name="@Ac-Rouen.example", reason=WHY)
    with services.database.reading() as session:
        found = freezes.find_in_force(session, clock()).each
    assert [each.key for each in found] == ["domain:ac-rouen.example"]


def test_a_frozen_console_lets_admins_alone_in_and_on(sign_in, ada, vera, ines, services):
    held = [sign_in(each) for each in (vera, ines)]
    admin = sign_in(ada)
    assert "Let only admins into the console" in words(admin.get("/admin/incidents"))
    admin.post("/admin/incidents/console/stop", hours="4", reason=WHY)
    for browser in [*held, sign_in(vera)]:
        for path in ("/admin/", "/admin/mails", "/admin/me"):
            stopped = browser.get(path)
            assert stopped.status_code == 503
            assert heading(stopped) == "The console is for admins alone"
        again = browser.send("/admin/incidents/thaw", what="console", name="", reason=WHY)
        assert again.status_code == 503
    assert held[0].send("/admin/sign-out").status_code == 303
    page = admin.get("/admin/")
    assert "Only admins come into the console. By Ada" in words(page)
    admin.get("/admin/incidents")
    admin.post("/admin/incidents/console/thaw", reason=WHY)
    assert held[1].get("/admin/").status_code == 200


@pytest.mark.parametrize("hours", ["0", "73", "1000000", "-1", "many", ""])
def test_nothing_is_stopped_for_longer_than_three_days(hours, sign_in, ines, services, clock):
    browser = sign_in(ines)
    browser.get("/admin/incidents")
    answer = browser.send("/admin/incidents", what="mails", hours=hours, name="", reason=WHY)
    assert answer.status_code == 404
    with services.database.reading() as session:
        assert freezes.find_in_force(session, clock()).each == ()


def test_an_inviter_is_blocked_and_nobody_reads_who_from_the_page(
    sign_in, ines, services, clock, last_row
):
    browser = sign_in(ines)
    browser.get("/admin/incidents")
    browser.post("/admin/incidents", what="inviter", hours="24", name=ZOE, reason=WHY)
    with services.database.reading() as session:
        assert block_models.find_user_ids(session, clock()) == {ZOE}
    page = browser.get("/admin/incidents")
    assert "@z•••:education.example" in page.text
    assert ZOE not in page.text
    name = re.search(r'name="name" value="(user:\w+)"', page.text)[1]
    browser.post("/admin/incidents/unblock", name=name, reason=WHY)
    assert last_row().action == "inviter.unblock"
    with services.database.reading() as session:
        assert block_models.find_user_ids(session, clock()) == frozenset()
    refused = browser.post("/admin/incidents", what="inviter", hours="1", name="@x:y", reason=WHY)
    assert "This is no user of a homeserver of the federation." in words(refused)


def test_whoever_looks_can_stop_nothing(sign_in, vera, services, clock, order, invite):
    browser = sign_in(vera)
    mail_id, invitation_id = order(), invite()
    paths = (
        "/admin/incidents",
        "/admin/incidents/thaw",
        "/admin/homeservers/education.example/hold",
        "/admin/homeservers/education.example/suspend",
        "/admin/homeservers/education.example/credential",
        "/admin/mails/pause",
        f"/admin/mails/{mail_id}/cancel",
        f"/admin/invitations/{invitation_id}",
        "/admin/journal/export",
    )
    page = browser.get("/admin/incidents")
    assert "Stop something" not in words(page)
    for path in paths:
        answer = browser.send(path, reason=WHY, hours="4", what="mails")
        assert answer.status_code == 403, path
    assert "Cancel this mail" not in browser.get(f"/admin/mails/{mail_id}").text


def test_a_homeserver_is_held_and_let_go_suspended_and_resumed(
    sign_in, ines, ada, services, clock, last_row
):
    browser = sign_in(ines)
    page = browser.get("/admin/homeservers/education.example")
    assert (heading(page), "open" in words(page)) == ("education.example", True)
    browser.post("/admin/homeservers/education.example/hold", hours="4", reason=WHY)
    with services.database.reading() as session:
        row = homeservers.find(session, "education.example")
    assert row.held_until == clock() + timedelta(hours=4)
    assert not standing.is_reachable(row, clock())
    held = words(browser.get("/admin/incidents"))
    assert "education.example held" in held
    browser.post("/admin/homeservers/education.example/release", reason=WHY)
    assert last_row().action == "homeserver.release"
    admin = sign_in(ada)
    admin.get("/admin/homeservers/education.example")
    admin.post("/admin/homeservers/education.example/suspend", reason=WHY)
    again = admin.post("/admin/homeservers/education.example/suspend", reason=WHY)
    assert "It was so already. Nothing was changed." in words(again)
    admin.post("/admin/homeservers/education.example/resume", reason=WHY)
    assert (last_row().action, last_row().reason) == ("homeserver.resume", WHY)


def test_a_new_credential_is_shown_once_and_the_old_one_lives_a_day(sign_in, ada, services, clock):
    with services.database.transaction() as session:
        old = credentials.issue(session, clock(), homeserver="education.example")
    browser = sign_in(ada)
    browser.get("/admin/homeservers/education.example")
    page = browser.post("/admin/homeservers/education.example/credential", reason=WHY)
    new = re.search(r"guichet_[\w-]{40,}", page.text)[0]
    assert new not in browser.get("/admin/homeservers/education.example").text
    with services.database.reading() as session:
        assert credentials.homeserver_of(session, new, clock()) == "education.example"
        assert credentials.homeserver_of(session, old, clock()) == "education.example"
        later = clock() + timedelta(hours=25)
        assert credentials.homeserver_of(session, old, later) is None


def test_a_homeserver_is_edited_and_what_cannot_be_is_told_with_what_was_typed(
    sign_in, ada, services, clock, last_row
):
    browser = sign_in(ada)
    page = browser.get("/admin/homeservers/education.example/edit")
    assert 'value="http://127.0.0.1:1"' in page.text
    fields = {"url": "http://127.0.0.1:1", "class_source": "agent", "reason": WHY}
    path = "/admin/homeservers/education.example/edit"
    wrong = browser.post(path, **fields | {"url": "ftp://x", "label": "Rouen"})
    assert wrong.status_code == 400
    assert 'value="Rouen"' in wrong.text
    browser.post(path, label="Rouen", federation_url="https://fed.example", **fields)
    assert last_row().action == "homeserver.set"
    with services.database.reading() as session:
        row = homeservers.find(session, "education.example")
    assert (row.label, row.federation_url) == ("Rouen", "https://fed.example")


def test_how_a_homeserver_answers_is_shown_by_the_hour(sign_in, vera, services, clock):
    with services.database.transaction() as session:
        for minutes, taken in ((0, 84), (5, None), (70, 1800), (60 * 25, 1)):
            at = clock() - timedelta(minutes=minutes)
            health_models.record(session, at, "education.example", taken)
    browser = sign_in(vera)
    page = words(browser.get("/admin/homeservers/education.example"))
    assert "84 ms at" in page
    assert "1800 ms (slow)" in page
    assert "84 ms at" in words(browser.get("/admin/homeservers"))
    with services.database.transaction() as session:
        health_models.record(session, clock(), "education.example", 1)
        assert len(health_models.find(session, "education.example")) == 3  # 25 hours ago: forgotten


def test_mails_are_found_by_state_and_domain_and_addresses_are_masked(
    sign_in, vera, order, services
):
    order("gil@asso.example")
    withheld = order("lea@autre.example")
    with services.database.transaction() as session:
        mails.find(session, withheld).state = MailState.WITHHELD
    browser = sign_in(vera)
    page = browser.get("/admin/mails")
    assert "g•••@asso.example" in page.text
    assert "gil@" not in page.text
    only = browser.get("/admin/mails?state=withheld")
    assert ("autre.example" in only.text, "asso.example" in only.text) == (True, False)
    named = browser.get("/admin/mails?domain=autre.example")
    assert ("autre.example" in named.text, "asso.example" in named.text) == (True, False)


def test_an_address_that_is_typed_into_a_filter_leaves_the_url_at_once(sign_in, vera):
    browser = sign_in(vera)
    for path in ("/admin/mails", "/admin/invitations"):
        for typed in ("gil@asso.example", "gil@asso+example", "@gil@@x"):
            answer = browser.client.get(f"{path}?domain={typed}")
            assert answer.status_code == 303
            assert "gil" not in answer.location
            assert browser.client.get(answer.location).status_code == 200


def test_a_mail_is_tried_again_and_cancelled_with_a_reason(
    sign_in, sal, order, stored, last_row, services, clock
):
    mail_id = order()
    with services.database.transaction() as session:
        job = outbox.lease_next(session, clock(), Lane.NORMAL)
        outbox.give_up(session, job, clock(), "refused")
        mails.find(session, mail_id).state = MailState.GAVE_UP
    french = words(sign_in(sal, language="fr").get(f"/admin/mails/{mail_id}"))
    assert "Il n’a pas pu être remis à temps." in french
    assert "given up" not in french
    browser = sign_in(sal)
    browser.get(f"/admin/mails/{mail_id}")
    browser.post(f"/admin/mails/{mail_id}/retry", reason=WHY)
    assert stored(Mail, mail_id).state == MailState.WAITING
    browser.post(f"/admin/mails/{mail_id}/cancel", reason=WHY)
    assert stored(Mail, mail_id).state == MailState.DROPPED
    assert last_row().action == "mail.cancel"
    again = browser.post(f"/admin/mails/{mail_id}/cancel", reason=WHY)
    assert "Nothing was changed." in words(again)


def test_a_mail_shows_each_try_with_the_reply_of_the_relay(sign_in, sal, order, services, clock):
    mail_id = order()
    with services.database.transaction() as session:
        tries.begin(session, mail_id, 1, clock())
        said = "451 4.7.1 gil@asso.example is greylisted"
        tries.end(session, mail_id, 1, clock(), outcome="defer", reply=said)
        tries.begin(session, mail_id, 2, clock())
    page = sign_in(sal, language="fr").get(f"/admin/mails/{mail_id}")
    french = words(page)
    assert "Chaque essai" in french
    assert "remis à plus tard par le serveur" in french
    assert '<span lang="en">451 4.7.1 g•••@asso.example is greylisted</span>' in page.text
    assert "gil@" not in page.text
    assert "en cours, ou sans fin connue" in french


def test_mails_of_a_kind_are_paused_and_resumed(sign_in, ines, services, clock, order):
    order()
    browser = sign_in(ines)
    browser.get("/admin/mails")
    page = browser.post("/admin/mails/pause", kind="invite", pause_domain="", hours="4", reason=WHY)
    assert "Paused. 1 wait." in words(page)
    page = browser.post("/admin/mails/resume", kind="invite", pause_domain="", reason=WHY)
    assert "The pause is over." in words(page)
    with services.database.reading() as session:
        assert pausing.in_force(session, clock()) == []


def test_an_invitation_is_extended_and_revoked_and_its_people_are_masked(
    sign_in, sal, invite, stored, last_row, clock
):
    invitation_id = invite()
    browser = sign_in(sal)
    page = browser.get(f"/admin/invitations/{invitation_id}")
    assert "g•••@asso.example" in page.text
    assert "gil@" not in page.text
    assert ZOE not in page.text
    clock.advance(days=1)
    browser = sign_in(sal)
    browser.get(f"/admin/invitations/{invitation_id}")
    browser.post(f"/admin/invitations/{invitation_id}", change="extend", reason=WHY)
    assert stored(ThirdPartyInvitation, invitation_id).expires_at == clock() + timedelta(days=30)
    browser.post(f"/admin/invitations/{invitation_id}", change="revoke", reason=WHY)
    assert stored(ThirdPartyInvitation, invitation_id).state == InvitationState.REVOKED
    assert last_row().action == "invitation.revoke"


def test_several_are_revoked_from_an_exact_list(sign_in, sal, invite, stored):
    ticked, left = (
        [invite(room_id=f"!{n}:education.example") for n in range(3)],
        invite(room_id="!x:y"),
    )
    browser = sign_in(sal)
    browser.get("/admin/invitations")
    page = browser.post("/admin/invitations/several", id=list(map(str, ticked)), change="revoke")
    assert "Exactly these 3 invitations" in words(page)
    browser.post(
        "/admin/invitations/several/do", id=list(map(str, ticked)), change="revoke", reason=WHY
    )
    states = {stored(ThirdPartyInvitation, each).state for each in ticked}
    assert states == {InvitationState.REVOKED}
    assert stored(ThirdPartyInvitation, left).state == InvitationState.QUEUED
    empty = browser.post("/admin/invitations/several", change="revoke")
    assert "No invitation was ticked." in words(empty)


def test_invitations_of_one_inviter_and_one_room_are_found_without_naming_anybody(
    sign_in, vera, invite
):
    own = invite()
    invite(sender="@max:education.example", address="max@autre.example", room_id="!b:c")
    browser = sign_in(vera)
    like = browser.get(f"/admin/invitations?like={own}")
    assert ("asso.example" in like.text, "autre.example" in like.text) == (True, False)
    room = browser.get("/admin/invitations?room=!b:c")
    assert ("asso.example" in room.text, "autre.example" in room.text) == (False, True)
    server = browser.get("/admin/invitations?homeserver=guests.example")
    assert "Nothing like this." in words(server)


def test_outside_of_a_scope_nothing_is_found(
    sign_in, make_operator, order, invite, services, clock
):
    scoped = make_operator(
        "Rouen",
        Role.APPROVER,
        Role.SUPPORT,
        scope=Scope(homeservers=frozenset({"education.example"})),
    )
    inside, outside = order("lea@ac-rouen.example"), order("gil@asso.example")
    ours = invite(address="gil@asso.example")
    theirs = invite(sender="@max:guests.example", address="max@asso.example")
    browser = sign_in(scoped)
    statuses = {
        path: browser.get(path).status_code
        for path in (
            f"/admin/mails/{inside}",
            f"/admin/mails/{outside}",
            f"/admin/invitations/{ours}",
            f"/admin/invitations/{theirs}",
            "/admin/homeservers/education.example",
            "/admin/homeservers/guests.example",
        )
    }
    assert list(statuses.values()) == [200, 404, 200, 404, 200, 404]
    listed = browser.get("/admin/mails").text
    assert ("ac-rouen.example" in listed, "asso.example" in listed) == (True, False)
    assert "guests.example" not in browser.get("/admin/homeservers").text
    browser.get("/admin/incidents")
    for fields in ({"what": "sign-ups"}, {"what": "domain", "name": "asso.example"}):
        answer = browser.send(
            "/admin/incidents", **{"name": "", "hours": "1", "reason": WHY, **fields}
        )
        assert answer.status_code == 404
    browser.get("/admin/incidents")
    browser.post("/admin/incidents", what="domain", name="ac-rouen.example", hours="1", reason=WHY)
    with services.database.reading() as session:
        found = freezes.find_in_force(session, clock()).each
    assert [each.domain for each in found] == ["ac-rouen.example"]


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("/admin/mails?domain=Lea@Asso.example&state=handed", "state=handed&domain=asso.example"),
        ("/admin/invitations?room=lea@asso.example&held=yes", "held=yes"),
        ("/admin/invitations?homeserver=lea@asso.example", ""),
    ],
)
def test_an_address_in_any_filter_leaves_the_url(sign_in, vera, path, left):
    browser = sign_in(vera)
    answer = browser.client.get(path, headers=browser.headers)
    assert answer.status_code == 303
    assert answer.location.partition("?")[2] == left


def test_what_names_nothing_to_pause_is_told_and_pauses_nothing(sign_in, ines, services, clock):
    browser = sign_in(ines)
    browser.get("/admin/mails")
    for domain in ("", "no domain"):
        page = browser.post(
            "/admin/mails/pause", kind="", pause_domain=domain, hours="4", reason=WHY
        )
        assert "Choose a kind of mail, a domain" in words(page)
    with services.database.reading() as session:
        assert list(pausing.in_force(session, clock())) == []


def test_the_journal_is_filtered_verified_and_exported(
    sign_in, make_operator, acts, services, clock
):
    audit = make_operator("Audrey", Role.AUDITOR)
    for n in range(60):
        acts(
            lambda session, now, who, n: journal.write(
                session, now, who, action=f"mail.act{n % 2}", subject="=cmd", facts={"n": n}
            ),
            n,
        )
    browser = sign_in(audit)
    page = browser.get("/admin/journal?action=mail")
    assert page.text.count('<tr role="row">') == 51  # with the heads
    older = re.search(r'rel="next" href="([^"]+)"', page.text)[1].replace("&amp;", "&")
    assert browser.get(older).text.count('<tr role="row">') == 11
    assert "Nothing like this." in words(browser.get("/admin/journal?until=2001-01-01"))
    browser.get("/admin/journal")
    browser.post("/admin/journal/verify")
    with services.database.reading() as session:
        job = outbox.find_by_subject(session, looking.LOOK, JobKind.JOURNAL_CHECK)
    health.carry_out_journal_check(services, job)
    assert "Chain verified" in words(browser.get("/admin/journal"))
    exported = browser.send("/admin/journal/export", action="mail.act1")
    assert len(exported.json) == 30
    browser.get("/admin/journal")
    lines = browser.send(
        "/admin/journal/export", action="mail.act1", format="csv"
    ).text.splitlines()
    assert len(lines) == 31
    assert ",'=cmd," in lines[1]
    assert [_guarded(each) for each in ("\t=cmd", "\r=cmd", "a=b", "-1")] == [
        *("'\t=cmd", "'\r=cmd", "a=b", "'-1")
    ]
    with services.database.transaction() as session:
        session.get(journal.JournalEntry, 5).reason = "changed"
    health.carry_out_journal_check(services, job)
    with services.database.reading() as session:
        assert journal_checks.find(session).faulty_row == 5
    assert "row 5 is not as it was written" in words(browser.get("/admin/journal"))


def test_what_doctor_found_is_shown_with_what_mends_it(sign_in, vera, services, clock):
    browser = sign_in(vera)
    assert "Nothing was checked yet." in words(browser.get("/admin/health"))
    found = [
        Finding("database", State.OK, "schema 1"),
        Finding("relay", State.FAILED, "it does not answer", "check GUICHET_SMTP_URL"),
    ]
    for findings in (found * 3, found):
        with services.database.transaction() as session:
            finding_models.replace(session, clock(), findings)
    page = words(browser.get("/admin/health"))
    assert "1 of 2 points needs you" in page
    assert "relay failed it does not answer check GUICHET_SMTP_URL" in page
    assert "Nothing was checked since" not in page
    clock.advance(minutes=16)
    assert "Nothing was checked since" in words(browser.get("/admin/health"))


def test_a_check_that_is_asked_for_twice_runs_once(sign_in, vera, services):
    browser = sign_in(vera)
    browser.get("/admin/health")
    browser.post("/admin/health/look")
    browser.post("/admin/health/look")
    with services.database.reading() as session:
        jobs = session.query(Job).filter(Job.kind == JobKind.HEALTH).count()
    assert jobs == 1


def test_the_worker_looks_at_everything_and_keeps_what_it_found(services, clock):
    health.look(services)
    with services.database.reading() as session:
        found = {each.what for each in finding_models.find_all(session)}
        looks = health_models.find_last(session, clock() - timedelta(hours=1))
    assert {"database", "relay"} <= found
    assert {name: look.milliseconds for name, look in looks.items()} == {
        "education.example": None,
        "guests.example": None,
    }


def test_the_menu_names_every_screen_that_somebody_may_open(sign_in, vera, make_operator):
    audit = make_operator("Audrey", Role.AUDITOR)
    seen = words(sign_in(vera).get("/admin/menu"))
    for name in ("Home", "Homeservers", "Invitations", "Mails", "Journal", "Incidents", "Health"):
        assert f" {name}" in seen
    own = sign_in(audit).get("/admin/menu").text
    listed = re.search(r'<ul class="ways">(.*?)</ul>', own, re.DOTALL)[1]
    screens = re.findall(r"/admin/(\w*)", listed)
    assert screens[:2] == ["", "journal"]
    assert not {"mails", "invitations", "homeservers", "incidents", "health"} & set(screens)


def test_about_says_which_version_this_is_and_what_it_does_not_do(sign_in, make_operator):
    page = words(sign_in(make_operator("Aude", Role.AUDITOR)).get("/admin/about"))
    assert f"Version of Guichet {code_version()}" in page
    assert "Passkeys Not offered" in page
    assert "What this version does not do yet Export by the API" in page


def test_all_other_operators_are_mailed_what_was_stopped(sign_in, ines, ada, services, postbox):
    browser = sign_in(ines)
    browser.get("/admin/incidents")
    browser.post("/admin/incidents", what="inviter", hours="4", name=ZOE, reason=WHY)
    tasks.run_lane(services, Lane.NORMAL)
    assert [message["To"] for message in postbox.sent] == ["ada@ops.example"]
    told = " ".join(postbox.sent[0].get_body(("plain",)).get_content().split())
    assert "Ines stopped: inviter @z•••:education.example" in told
    assert "/admin/incidents" in told
    assert "zoe" not in told


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/admin/incidents", {"what": "sign-ups", "name": ""}),
        ("/admin/incidents", {"what": "inviter", "name": ZOE}),
        ("/admin/homeservers/education.example/hold", {}),
        ("/admin/mails/pause", {"kind": "invite", "pause_domain": ""}),
    ],
)
def test_a_stop_is_not_ended_sooner_without_the_second_factor_that_lifting_asks(
    path, what, sign_in, ines
):
    browser = sign_in(ines)
    browser.post(path, hours="24", reason=WHY, **what)
    sooner = browser.post(path, hours="1", reason=WHY, **what)
    assert "it is stopped for longer already" in sooner.text
    longer = browser.post(path, hours="72", reason=WHY, **what)
    assert "stopped for longer already" not in longer.text
