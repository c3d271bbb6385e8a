"""/i/<token>: the link shows who invites whom, the code opens the account; looking changes nothing."""

import pytest

from identity.accounts.models import Account
from identity.invitations.models import Delivery, State
from identity.threepids import associations
from tests.worlds.pages import *
from tests.worlds.pages import GIL, PASSWORD, ZOE
from tests.worlds.visitors import heading, words

STATES_TO_PAGES = {
    State.REVOKED: "Cette invitation n’est plus valable",
    State.DECLINED: "L’invitation est annulée",
    State.EXPIRED: "Cette invitation a expiré",
    State.ACCEPTED: "Vous avez déjà accepté",
    State.DELIVERED: "Vous avez déjà accepté",
    State.JOINED: "Vous avez déjà accepté",
}


@pytest.fixture
def link(site):
    site.invited()
    return site.mailed()


def test_the_page_names_an_inviter_who_proved_an_address(site, ana, link, clock):
    with site.services.database.transaction() as session:
        associations.bind(session, clock(), address="zoe.martin@ac-rouen.example", user_id=ZOE)
    answer = ana.get(link)
    assert heading(answer) == "Vous êtes invité"
    assert "Zoe Martin, Rouen, vous invite" in words(answer)
    assert "31 mars" in words(answer)
    assert "Avec un compte d’invité" in words(answer)


def test_the_page_shows_no_address_no_room_and_no_name_that_was_only_chosen(site, ana, link):
    answer = ana.get(link)
    assert f"{ZOE} vous invite" in words(answer)
    assert "g•••@asso.example" in words(answer)
    for secret in (GIL, "Secret room", "Zoé", site.code(site.invitation())):
        assert secret not in answer.text


@pytest.mark.parametrize("delivery", [each for each in Delivery if each is not Delivery.WAITING])
def test_an_invitation_that_found_its_person_says_so(site, ana, delivery):
    site.invited(delivery=delivery)
    assert heading(ana.get(site.mailed())) == "Vous avez déjà accepté"


@pytest.mark.parametrize(("state", "says"), STATES_TO_PAGES.items())
def test_an_invitation_that_was_answered_or_ended_says_so_and_its_code_opens_nothing(
    site, ana, clock, state, says
):
    site.invited(state=state, ended_at=clock())
    assert heading(ana.get(site.mailed())) == says
    ana.post(site.mailed(), code=site.code(site.invitation()))
    assert site.all() == []


def test_an_invitation_that_ended_by_time_says_so(ana, link, clock):
    clock.advance(days=30)
    assert heading(ana.get(link)) == "Cette invitation a expiré"


def test_an_invitation_whose_sender_may_not_invite_any_more_is_not_valid(site, ana):
    site.invited(sender="@gone:guests.elsewhere.example")
    assert heading(ana.get(site.mailed())) == "Cette invitation n’est plus valable"


def test_a_cut_link_says_so(ana, link):
    answer = ana.get(link[:-3])
    assert (answer.status_code, heading(answer)) == (404, "Ce lien est incomplet")


def test_the_code_of_the_mail_leads_to_the_account_and_what_waited_is_on_its_way(site, ana, link):
    answer = ana.post(link, code=site.code(site.invitation()))
    assert heading(answer) == "Créez votre compte"
    answer = ana.post("/account/1", display_name="Gil", password=PASSWORD, password_again=PASSWORD)
    assert heading(answer) == "Bienvenue"
    for told in ("Secret room", f"{ZOE} peut le prolonger", "29 février 2028"):
        assert told in words(answer)
    assert site.invitation().state == State.ACCEPTED
    assert sorted(site.mails()) == ["code_used", "welcome"]
    assert heading(ana.get(link)) == "Vous avez déjà accepté"


def test_rooms_are_named_to_nobody_but_the_browser_that_proved_the_mailbox(site, ana, phone, link):
    ana.post(link, code=site.code(site.invitation()))
    ana.post("/account/1", display_name="Gil", password=PASSWORD, password_again=PASSWORD)
    assert "Secret room" not in phone.get(link).text
    assert "Secret room" not in phone.get("/account/1/done").text


def test_two_invitations_take_one_account(site, ana, link):
    site.invited(room_id="!other:education.example", facts={"room_name": "Other room"})
    ana.post(link, code=site.code(site.invitations[0]))
    done = ana.post("/account/1", display_name="Gil", password=PASSWORD, password_again=PASSWORD)
    assert "Secret room" in words(done)
    assert "Other room" in words(done)
    assert {site.invitation(each).state for each in site.invitations} == {State.ACCEPTED}


def test_a_wrong_code_counts_and_after_five_a_mail_brings_another(site, ana, link):
    wrong = site.wrong_code(site.invitation())
    assert "Il reste 4 essais" in words(ana.post(link, code=wrong))
    for _ in range(4):
        answer = ana.post(link, code=wrong)
    assert "Trop d’essais" in words(answer)
    assert site.wrong_tries() == 5
    right = site.code(site.invitation())
    assert "Trop d’essais" in words(ana.post(link, code=right))
    answer = ana.post(link, send="1")
    assert "Courriel demandé" in words(answer)
    assert heading(ana.post(link, code=site.code())) == "Créez votre compte"


def test_an_unfinished_code_is_no_try(site, ana, link):
    assert "Saisissez les 8 chiffres" in words(ana.post(link, code="12"))
    assert site.wrong_tries() == 0


def test_after_a_day_the_old_code_has_a_new_one_mailed(site, ana, link, clock):
    old = site.code(site.invitation())
    clock.advance(hours=24)
    assert "Recevoir un code à cette adresse" in words(ana.get(link))
    answer = ana.post(link, code=old)
    assert "Nous venons d’en envoyer un nouveau" in words(answer)
    assert site.mails() == ["verify"]
    assert heading(ana.post(link, code=site.code())) == "Créez votre compte"


def test_a_code_asked_for_twice_within_the_minute_is_mailed_once(site, ana, phone, link, clock):
    clock.advance(hours=24)
    for person in (ana, ana, phone):
        assert "Courriel demandé à" in words(person.post(link, send="1"))
    assert site.mails() == ["verify"]


def test_who_holds_only_the_link_never_learns_the_address(site, ana, link, clock):
    clock.advance(hours=24)
    seen = [ana.post(link, send="1"), ana.get(link), ana.get("/check/1"), ana.get("/account/1")]
    assert not [answer for answer in seen if GIL in answer.text]


def test_the_link_of_the_mail_that_followed_is_confirmed_with_a_button_here(
    site, ana, phone, link, clock
):
    clock.advance(hours=24)
    ana.post(link, send="1")
    verify = site.link()
    assert heading(phone.get(verify)) == "Saisissez le code du courriel"
    assert heading(ana.get(verify)) == "Confirmez votre adresse"
    assert heading(ana.post(verify)) == "Créez votre compte"


def test_the_code_confirms_one_device_and_another_one_goes_on_with_a_new_mail(
    site, ana, phone, link
):
    code = site.code(site.invitation())
    assert heading(ana.post(link, code=code)) == "Créez votre compte"
    answer = phone.post(link, code=code)
    assert "Ce code a déjà servi dans un autre navigateur." in words(answer)
    assert "Nous venons d’en envoyer un nouveau." in words(answer)
    assert heading(phone.post(link, code=site.code())) == "Créez votre compte"
    typed = {"display_name": "Gil", "password": PASSWORD, "password_again": PASSWORD}
    ana.post("/account/1", **typed)
    answer = phone.post(f"/account/{site.newest().ordinal}", **typed)
    assert len(site.server.made) == 1
    assert heading(answer) == "Bienvenue"


def test_that_somebody_has_an_account_is_said_after_the_proof(site, ana, link, clock):
    before = ana.get(link)
    with site.services.database.transaction() as session:
        session.add(
            Account(
                address=GIL,
                user_id="@gil:guests.example",
                homeserver="guests.example",
                account_class="guest",
                display_name="Gil",
                language="fr",
                state="ready",
                creation_mark="",
                created_at=clock(),
            )
        )
        associations.bind(session, clock(), address=GIL, user_id="@gil:guests.example")
    assert words(ana.get(link)) == words(before)
    answer = ana.post(link, code=site.code(site.invitation()))
    assert heading(answer) == "Vous avez déjà un compte"
    assert "vous y attendent" in words(answer)
    assert site.invitation().delivery == Delivery.DUE


def test_an_invitation_that_ends_after_the_proof_makes_no_account(site, ana, link, clock):
    ana.post(link, code=site.code(site.invitation()))
    with site.services.database.transaction() as session:
        session.merge(site.invitation()).state = State.REVOKED
    answer = ana.send("/account/1", display_name="Gil", password=PASSWORD)
    assert answer.status_code == 403
    assert "Aucune invitation n’attend plus" in words(answer)
    assert ana.get("/account/1").status_code == 403
    assert site.server.made == []


def test_a_mailed_link_opens_in_the_language_of_its_mail(site):
    site.invited(language="en")
    assert heading(site.visitor("fr").get(site.mailed())) == "You are invited"
