"""Mails as operators find them, try them again, cancel and pause them."""

import pytest

from identity.core import leases
from identity.core.outbox import Lane
from identity.mail import models as mails, pausing, tries
from identity.mail.models import Mail, MailState
from tests.worlds.console import *
from tests.worlds.things import *
from tests.worlds.things import WHY
from tests.worlds.visitors import words


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


def test_a_mail_is_tried_again_and_cancelled_with_a_reason(
    sign_in, sal, order, stored, last_row, services, clock
):
    mail_id = order()
    with services.database.transaction() as session:
        job = leases.lease_next(session, clock(), Lane.NORMAL)
        leases.give_up(session, job, clock(), "refused")
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
        tries.end(session, mail_id, 2, clock(), outcome="of_later", reply="299 of another version")
        tries.begin(session, mail_id, 3, clock())
    page = sign_in(sal, language="fr").get(f"/admin/mails/{mail_id}")
    french = words(page)
    assert "Chaque essai" in french
    assert "remis à plus tard par le serveur" in french
    assert '<span lang="en">451 4.7.1 g•••@asso.example is greylisted</span>' in page.text
    assert "gil@" not in page.text
    assert "of_later 299 of another version" in french
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
