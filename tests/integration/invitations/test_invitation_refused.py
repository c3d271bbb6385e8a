"""“I don't know this person” and “no more invitations”: each takes the code, or a browser that has proved the mailbox."""

import re

import pytest

from identity.invitations import muting, opting_out, service as invitations
from identity.invitations.models import State, ThirdPartyInvitation
from tests.worlds.pages import *
from tests.worlds.pages import GIL, ZOE
from tests.worlds.visitors import heading, words

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def invitation(site):
    return site.invited()


@pytest.fixture
def code(site, invitation):
    return site.code(invitation)


@pytest.fixture
def unknown(site, invitation):
    return site.mailed(purpose="not_me")


@pytest.fixture
def no_more(site, invitation):
    return site.mailed(purpose="opt_out")


@pytest.fixture
def has_opted_out(site):
    def has_opted_out():
        with site.services.database.reading() as session:
            return opting_out.has_opted_out(session, site.services.hashes, GIL)

    return has_opted_out


@pytest.fixture
def is_muted(site):
    def is_muted():
        with site.services.database.reading() as session:
            who = {"address": GIL.replace("@", "+again@"), "sender": ZOE}
            return muting.is_muted(session, site.services.hashes, **who)

    return is_muted


def test_looking_and_pressing_without_the_code_changes_nothing(
    site, phone, unknown, no_more, has_opted_out
):
    assert heading(phone.get(unknown)) == "Vous ne connaissez pas cette personne ?"
    assert f"l’invitation de {ZOE}" in words(phone.get(unknown))
    assert heading(phone.get(no_more)) == "Ne plus recevoir d’invitations"
    for link in (unknown, no_more):
        assert "Saisissez les 8 chiffres" in words(phone.post(link))
    assert site.invitation().state == State.QUEUED
    assert not has_opted_out()
    assert site.mails() == []


def test_the_code_cancels_the_invitation_and_takes_it_back(site, phone, unknown, code, is_muted):
    answer = phone.post(unknown, code=code)
    assert heading(answer) == "L’invitation est annulée"
    assert "La personne ne saura pas pourquoi" in words(answer)
    assert site.invitation().state == State.DECLINED
    assert is_muted()
    assert heading(phone.get(site.mailed())) == "L’invitation est annulée"
    answer = phone.post(unknown, code=code, undo="1")
    assert "rétablie" in words(answer)
    assert site.invitation().state == State.QUEUED
    assert not is_muted()
    assert heading(phone.get(site.mailed())) == "Vous êtes invité"


def test_who_took_the_invitation_back_in_time_is_muted_all_the_same(
    site, phone, invitation, unknown, code, is_muted
):
    with site.services.database.transaction() as session:
        row = session.get_one(ThirdPartyInvitation, invitation.id)
        invitations.revoke(session, site.clock(), row, by=ZOE)
    assert f"Vous ne connaissez pas {ZOE}" in words(phone.get(unknown))
    phone.post(unknown, code=code)
    assert is_muted()
    assert site.invitation().state == State.REVOKED
    assert "Les invitations de cette personne" in words(phone.get(unknown))
    phone.post(unknown, code=code, undo="1")
    assert not is_muted()
    assert site.invitation().state == State.REVOKED


def test_after_a_week_it_is_too_late_to_take_it_back(site, phone, unknown, code, clock):
    phone.post(unknown, code=code)
    clock.advance(days=6)
    phone.post(unknown, code=code, undo="1")
    assert site.invitation().state == State.QUEUED
    phone.post(site.mailed(), send="1")
    phone.post(unknown, code=site.code())
    assert site.invitation().state == State.DECLINED
    clock.advance(days=7)
    phone.post(unknown, code=code, undo="1")
    assert site.invitation().state == State.DECLINED


def test_a_browser_that_proved_the_mailbox_needs_a_button_alone(
    site, ana, unknown, no_more, code, has_opted_out
):
    ana.post(site.mailed(), code=code)
    assert 'name="code"' not in ana.get(unknown).text
    ana.post(no_more)
    assert has_opted_out()
    ana.post(unknown)
    assert site.invitation().state == State.DECLINED


def test_wrong_codes_count_wherever_they_are_typed(site, phone, unknown, no_more):
    for link in (unknown, no_more):
        phone.post(link, code=site.wrong_code(site.invitation()))
    assert site.wrong_tries() == 2


def test_no_more_invitations_is_noted_and_can_be_taken_back_for_a_week(
    site, phone, no_more, code, has_opted_out, clock
):
    answer = phone.post(no_more, code=code)
    assert heading(answer) == "C’est noté"
    assert "g•••@asso.example" in words(answer)
    assert has_opted_out()
    assert site.invitation().state == State.QUEUED
    answer = phone.post(no_more, code=code, undo="1")
    assert "Vous recevrez de nouveau" in words(answer)
    assert not has_opted_out()
    phone.post(no_more, code=code)
    clock.advance(days=7)
    assert "revenir en arrière" not in words(phone.get(no_more))
    phone.post(no_more, send="1")
    phone.post(no_more, code=site.code(), undo="1")
    assert has_opted_out()


def test_a_mail_program_ends_further_mail_with_one_click_and_never_the_invitation(
    site, phone, no_more, has_opted_out
):
    for _ in range(2):
        answer = phone.client.post(no_more, data=ONE_CLICK)
        assert (answer.status_code, answer.text) == (200, "")
    assert has_opted_out()
    assert site.invitation().state == State.QUEUED
    assert heading(phone.get(site.mailed())) == "Vous êtes invité"


def test_one_click_opens_no_other_form(site, phone, unknown, no_more, code, has_opted_out):
    answer = phone.client.post(unknown, data=ONE_CLICK | {"code": code})
    assert answer.status_code == 400
    assert phone.client.post(no_more[:-3], data=ONE_CLICK).status_code == 404
    assert phone.client.post(no_more, data={"code": code}).status_code == 400
    assert site.invitation().state == State.QUEUED
    assert not has_opted_out()


def test_who_holds_only_a_link_never_learns_the_address(phone, unknown, no_more, code):
    for link in (unknown, no_more):
        seen = [phone.get(link), phone.post(link, code=code), phone.get(link)]
        assert not [answer for answer in seen if GIL in answer.text]


def test_a_link_made_for_one_purpose_serves_no_other(site, phone, unknown, no_more):
    tokens = {path: path.rpartition("/")[2] for path in (site.mailed(), unknown, no_more)}
    for path, own in tokens.items():
        for other in set(tokens.values()) - {own}:
            assert phone.get(re.sub(r"[^/]+$", other, path)).status_code == 404


def test_what_was_answered_already_has_nothing_to_cancel(site, phone, clock):
    site.invited(state=State.ACCEPTED)
    answer = phone.get(site.mailed(purpose="not_me"))
    assert heading(answer) == "Cette invitation est terminée"
