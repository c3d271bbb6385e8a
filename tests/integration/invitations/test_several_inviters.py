"""One mail told of several people who invite: each can be refused, from the mail or from the page behind its link."""

import re
import uuid

import pytest

from identity.invitations import muting
from identity.invitations.models import State
from tests.worlds.pages import *
from tests.worlds.pages import GIL
from tests.worlds.visitors import heading, words

PEOPLE = [f"@person{number}:education.example" for number in range(5)]
REFUSALS = re.compile(r'href="(/n/[^"]+)"')


@pytest.fixture
def invited(site):
    """Five people in one mail, the last of them the newest and behind its link; one of them twice."""
    mail_id = uuid.uuid4()
    rows = []
    for sender in [PEOPLE[0], *PEOPLE]:
        site.clock.advance(minutes=1)
        room_id = f"!{len(rows)}:x"
        rows.append(site.invited(sender=sender, mail_id=mail_id, room_id=room_id))
    return rows[1:]


@pytest.fixture
def muted(site):
    def muted():
        with site.services.database.reading() as session:
            return {
                sender
                for sender in PEOPLE
                if muting.is_muted(
                    session,
                    site.services.hashes,
                    address=GIL.replace("@", "+tag@"),
                    sender=sender,
                )
            }

    return muted


def others_on(page) -> dict[str, str]:
    """Whom the page names beside the sender of its own invitation, with the way to refuse them."""
    _, _, listed = page.text.partition("Cette adresse a aussi été invitée par")
    links = REFUSALS.findall(listed)
    names = re.findall(r"<li>([^<]+)<br>", listed)
    assert len(names) == len(links)
    return dict(zip(names, links, strict=True))


def test_the_page_behind_the_mails_link_offers_to_refuse_each(site, phone, invited):
    page = phone.get(site.mailed(invited[-1]))
    assert heading(page) == "Vous êtes invité"
    assert list(others_on(page)) == PEOPLE[-2::-1], "each once, the newest first"


def test_each_is_muted_by_the_one_code_and_goes_from_the_page(site, phone, invited, muted):
    code = site.code(invited[-1])
    start = site.mailed(invited[-1])
    for number, sender in enumerate(PEOPLE[:-1], 1):
        answer = phone.post(others_on(phone.get(start))[sender], code=code)
        assert heading(answer) == "L’invitation est annulée"
        assert muted() == set(PEOPLE[:number])
    assert others_on(phone.get(start)) == {}
    assert site.invitation(invited[-1]).state == State.QUEUED, "who was not refused still invites"


@pytest.mark.parametrize("way", ["invitation", "not_me"])
def test_the_others_can_be_refused_after_the_first_was(site, phone, invited, muted, way):
    code = site.code(invited[-1])
    phone.post(site.mailed(invited[-1], "not_me"), code=code)
    others = others_on(phone.get(site.mailed(invited[-1], way)))
    assert set(others) == set(PEOPLE[:-1])
    phone.post(others[PEOPLE[0]], code=code)
    assert muted() == {PEOPLE[-1], PEOPLE[0]}


def test_nobody_is_named_whom_the_mail_did_not_tell_of(site, phone, invited):
    site.invited(sender="@later:education.example", mail_id=uuid.uuid4(), room_id="!later:x")
    site.invited(
        address="gil+tag@association.example",
        sender="@tag:education.example",
        mail_id=invited[0].mail_id,
    )
    assert "@later" not in phone.get(site.mailed(invited[-1])).text
    assert "@tag" not in phone.get(site.mailed(invited[-1])).text
    alone = site.invited(sender="@alone:education.example", room_id="!alone:x")
    assert "aussi été invitée" not in words(phone.get(site.mailed(alone)))
