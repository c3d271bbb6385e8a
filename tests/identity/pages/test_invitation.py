"""/i/<token>: who invites whom, and nothing else; looking changes nothing."""

from datetime import timedelta

import pytest

from identity.storage import associations
from identity.storage.third_party_invitations import Delivery, ThirdPartyInvitation

from .conftest import heading, words

ADDRESS = "gil.perrin@association.example"
ZOE = "@zoe:education.example"


@pytest.fixture
def invited(site, clock):
    def invited(**facts):
        with site.wiring.database.transaction() as session:
            row = ThirdPartyInvitation(
                **{
                    "address": ADDRESS,
                    "room_id": "!room:education.example",
                    "sender": ZOE,
                    "token": "abc",
                    "public_key": "key",
                    "sealed_key": "",
                    "signing_key_id": "ed25519:0",
                    "facts": {"room_name": "Secret room", "sender_display_name": "<b>Zoé</b>"},
                    "for_guest": True,
                    "created_at": clock(),
                    "expires_at": clock() + timedelta(days=30),
                }
                | facts
            )
            session.add(row)
        return f"/i/{site.wiring.tokens.link(row.id, 'invitation')}"

    return invited


def test_the_page_names_an_inviter_who_proved_an_address(site, ana, invited, clock):
    with site.wiring.database.transaction() as session:
        associations.bind(session, clock(), address="zoe.martin@ac-rouen.example", user_id=ZOE)
    answer = ana.get(invited())
    assert heading(answer) == "Vous êtes invité"
    assert "Zoe Martin, Rouen, vous invite" in words(answer)
    assert "31 mars" in words(answer)


def test_the_page_shows_no_address_no_room_and_no_name_that_was_only_chosen(ana, invited):
    answer = ana.get(invited())
    assert f"{ZOE} vous invite" in words(answer)
    assert "g•••@association.example" in words(answer)
    for secret in (ADDRESS, "Secret room", "Zoé", "abc"):
        assert secret not in answer.text


@pytest.mark.parametrize("delivery", [each for each in Delivery if each is not Delivery.WAITING])
def test_an_invitation_that_found_its_person_says_so(ana, invited, delivery):
    assert heading(ana.get(invited(delivery=delivery))) == "Vous avez déjà accepté"


def test_an_invitation_that_ended_says_so(ana, invited, clock):
    link = invited()
    clock.advance(days=30)
    assert heading(ana.get(link)) == "Cette invitation a expiré"


def test_a_cut_link_says_so(ana, invited):
    answer = ana.get(invited()[:-3])
    assert (answer.status_code, heading(answer)) == (404, "Ce lien est incomplet")
