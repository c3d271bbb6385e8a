"""The code that opens lists: its mail and page name the other browsers, and its use is told, with a way to end it."""

import re
from email import message_from_string, policy

import pytest
from sqlalchemy import select

from identity.bulk_invites.sign_in_models import BulkInviteSignIn
from identity.core.one_time_codes.models import Purpose
from identity.mail import models as mails
from identity.mail.models import Mail
from identity.threepids import associations
from tests.worlds import codes
from tests.worlds.bulk_inviters import HERS
from tests.worlds.pages import *
from tests.worlds.pages import ZOE
from tests.worlds.visitors import heading, words


@pytest.fixture
def zoe(site, firefox):
    """An agent, in Firefox."""
    with site.services.database.transaction() as session:
        associations.bind(session, site.clock(), address=HERS, user_id=ZOE)
    return firefox


def ask(visitor):
    return visitor.post("/lists/sign-in", email=HERS)


def code(site):
    site.post()
    return site.mailed_code(Purpose.LISTS, HERS)


def written(site, template):
    """The text of the newest mail of this kind, once it has left."""
    site.post()
    with site.services.database.reading() as session:
        newest = next(each for each in mails.find_recent(session) if each.template == template)
    for path in site.services.settings.mail_dir.rglob("*.eml"):
        message = message_from_string(path.read_text(), policy=policy.default)
        if str(newest.id) in message["Message-ID"]:
            return message.get_body(("plain",)).get_content()
    raise AssertionError(f"no mail {template} has left")


def link(site, purpose="lists"):
    with site.services.database.reading() as session:
        newest = session.scalars(select(Mail).where(Mail.template == "list_code")).first()
    return f"/v/{site.services.tokens.link(newest.subject_id, purpose)}"


def not_me(site):
    return re.search(r"/n/[\w.-]+", written(site, "code_used"))[0]


def is_in(visitor):
    return visitor.get("/lists") and visitor.at == "/lists"


def test_mail_and_page_name_the_other_browsers_that_asked(site, zoe, edge, clock):
    assert "saisie ailleurs" not in words(ask(edge))
    assert "Aussi demandé" not in written(site, "list_code")
    clock.advance(minutes=2)
    assert "saisie ailleurs : Edge, à 10 h 00 (heure de Paris)" in words(ask(zoe))
    assert "saisie ailleurs : Firefox, à 10 h 02" in words(edge.get("/lists/code"))
    told = " ".join(written(site, "list_code").split())
    assert "Demande faite avec Firefox. Aussi demandé depuis : - Edge, " in told


def test_what_somebody_made_of_their_request_changes_nothing_on_others_pages(site, zoe, edge):
    ask(zoe)
    ask(edge)
    before = words(edge.get("/lists/code"))
    zoe.post("/lists/code", code=code(site))
    assert zoe.at == "/lists"
    assert words(edge.get("/lists/code")) == before


def test_a_browser_that_asks_anew_after_it_was_in_is_no_other_browser(site, zoe, clock):
    ask(zoe)
    zoe.post("/lists/code", code=code(site))
    clock.advance(minutes=5)
    assert "saisie ailleurs" not in words(ask(zoe))
    assert "Aussi demandé" not in written(site, "list_code")
    zoe.post("/lists/code", code=code(site))
    assert zoe.at == "/lists"
    with site.services.database.reading() as session:
        assert len(session.scalars(select(BulkInviteSignIn)).all()) == 1


@pytest.mark.parametrize("way", ["the field", "the link"])
def test_the_mailbox_hears_in_which_browser_its_code_opened_the_lists(site, zoe, edge, way):
    ask(zoe)
    right = code(site)
    if way == "the field":
        zoe.post("/lists/code", code=right)
        zoe.post("/lists/code", code=right)  # a double click tells nothing twice
    else:
        where = link(site)
        edge.get(where)
        edge.post(where, code=right)
        edge.post(where, code=right)
    told = written(site, "code_used")
    assert ("avec Firefox" if way == "the field" else "avec Edge") in told
    assert "Vos listes de personnes sont ouvertes" in " ".join(told.split())
    assert site.mails().count("code_used") == 1


def test_nothing_is_told_of_a_code_that_was_wrong(site, zoe):
    ask(zoe)
    zoe.post("/lists/code", code=codes.wrong(code(site)))
    assert "code_used" not in site.mails()


def test_who_did_not_do_it_signs_everybody_out_with_the_code_of_the_mail(site, zoe, edge, phone):
    ask(edge)
    right = code(site)
    edge.post("/lists/code", code=right)
    assert is_in(edge)
    refuse = not_me(site)
    assert heading(phone.get(refuse)) == "Fermer l’accès à vos listes"
    phone.post(refuse, code=codes.wrong(right))
    phone.post(refuse, code="12")
    assert is_in(edge)
    answer = phone.post(refuse, code=right)
    assert "Personne n’est plus connecté à vos listes" in words(answer)
    assert not is_in(edge)


def test_looking_at_the_link_signs_nobody_out(site, zoe, phone):
    ask(zoe)
    zoe.post("/lists/code", code=code(site))
    phone.get(not_me(site))
    assert is_in(zoe)


@pytest.mark.parametrize("way", ["the field", "the link"])
def test_who_was_signed_out_is_not_let_in_by_the_same_code_sent_again(
    site, zoe, edge, phone, clock, way
):
    ask(edge)
    right = code(site)
    where = "/lists/code" if way == "the field" else link(site)
    edge.get(where)
    edge.post(where, code=right)
    assert is_in(edge)
    phone.post(not_me(site), code=right)
    clock.advance(seconds=20)
    edge.post(where, code=right)
    assert not is_in(edge)
    ask(edge)  # the next mail has not left yet
    edge.post("/lists/code", code=right)
    assert not is_in(edge)


def test_a_code_opens_the_lists_once_also_in_the_browser_that_asks_anew(site, zoe, clock):
    ask(zoe)
    right = code(site)
    zoe.post("/lists/code", code=right)
    zoe.post("/lists/sign-out")
    clock.advance(minutes=2)
    ask(zoe)
    zoe.post("/lists/code", code=right)
    assert not is_in(zoe)


def test_the_code_of_a_mail_that_the_relay_took_late_opens_the_lists(site, zoe, clock):
    ask(zoe)
    clock.advance(minutes=25)
    right = code(site)
    clock.advance(minutes=14)
    zoe.post("/lists/code", code=right)
    assert zoe.at == "/lists"
