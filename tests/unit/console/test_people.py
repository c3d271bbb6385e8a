"""Support opens the file of one person: with a reason, for half an hour, others masked, nothing in URLs."""

import json
import re
from html import unescape

import pytest

from domain_rules.rule import AccountClass
from identity.accounts.models import AccountState
from identity.core import journal
from identity.core.one_time_codes import models as codes
from identity.core.one_time_codes.models import Purpose
from identity.core.personal_data import mailbox_of
from identity.invitations.history import Happened
from identity.mail.models import MailState
from identity.operators.roles import Role, Scope
from identity.people import files
from identity.people.in_short import Situation
from identity.translations import LANGUAGES, texts
from tests.worlds.console import *
from tests.worlds.one_person.filling import fill_every_story
from tests.worlds.one_person.names import CAMILLE, GIL, HERS, ZOE, ZOES
from tests.worlds.visitors import heading, words

SOMEBODY = "lea@ac-rouen.example"


@pytest.fixture
def database_url(sqlite_url) -> str:
    return sqlite_url  # both databases are tried in tests/unit/people/test_person_files.py


@pytest.fixture
def sami(make_operator):
    return make_operator("Sami", Role.SUPPORT)


@pytest.fixture
def desk(sign_in, sami):
    return sign_in(sami)


def open_file(desk, who=CAMILLE.display, reason="ticket 4412"):
    desk.get("/admin/people")
    return desk.post("/admin/people/open", who=who, reason=reason)


def test_a_file_opens_with_a_reason_and_its_url_names_nobody(desk, services):
    fill_every_story(services)
    desk.get("/admin/people")
    asked = desk.send("/admin/people/open", who=CAMILLE.display, reason="because")
    assert (asked.status_code, heading(asked)) == (400, "Confirm")
    opened = open_file(desk)
    assert heading(opened) == "A person’s file"
    assert CAMILLE.display in words(opened)
    assert "Sami opened this file" in words(opened)
    assert re.fullmatch(r"/admin/people/[0-9a-f-]{36}", desk.at)
    assert CAMILLE.local not in unescape(re.search(r"<title>(.*?)</title>", opened.text)[1])
    with services.database.reading() as session:
        rows = journal.find_recent(session, action=files.OPEN)
    assert (rows[0].actor, rows[0].reason) == ("Sami", "ticket 4412")


def test_a_deed_that_this_version_does_not_know_is_told_by_its_name(desk, services, hashes):
    with services.database.transaction() as session:
        name = hashes.journal_name(session, mailbox_of(SOMEBODY))
        who = journal.Actor("Noa", "console from 192.0.2.0/24")
        now = services.now()
        journal.write(session, now, who, action="person.of_later", subject=name, facts={})
    assert "Noa: person.of_later" in words(open_file(desk, SOMEBODY))


def test_neighbours_are_absent_from_the_page_until_one_is_asked_for(desk, services):
    fill_every_story(services)
    opened = open_file(desk)
    page = unescape(opened.text)
    for other in (GIL, ZOES, ZOE, "lea@asso.example"):
        assert other not in page
    assert "@z•••:education.example" in page
    form = re.search(
        r'name="what" value="([^"]+)">\s*<input type="hidden" name="key" value="([^"]+)">'
        r"\s*<button[^>]*>Show @z•••:education.example",
        page,
    )
    at = desk.at
    again = desk.post(f"{at}/show", what=form[1], key=form[2])
    assert heading(again) == "Confirm"
    shown = desk.post(f"{at}/show", what=form[1], key=form[2], reason="she asked who invited her")
    assert ZOE in words(shown)
    assert GIL not in unescape(shown.text)
    assert "The name is shown in this file" in words(shown)


def test_whoever_may_not_see_people_is_refused_everywhere(sign_in, vera, ada, desk, services):
    fill_every_story(services)
    open_file(desk)
    file_path = desk.at
    for who in (vera, ada):
        browser = sign_in(who)
        assert browser.get("/admin/people").status_code == 403
        assert browser.get(file_path).status_code == 403
        assert browser.post("/admin/people/open", who=SOMEBODY, reason="4412").status_code == 403


def test_nobody_else_reads_a_file_and_nobody_reads_it_later(
    sign_in, make_operator, desk, services, clock
):
    open_file(desk, SOMEBODY)
    path = desk.at
    other = sign_in(make_operator("Lou", Role.SUPPORT))
    assert other.get(path).status_code == 404
    assert other.post(f"{path}/unlock", reason="ticket 1").status_code == 404
    assert desk.get(path).status_code == 200
    desk.post(f"{path}/close", reason="ticket 4412")
    assert desk.get(path).status_code == 404


def test_who_looks_after_another_homeserver_finds_nobody(sign_in, make_operator):
    far = Scope(homeservers=frozenset({"guests.example"}))
    browser = sign_in(make_operator("Lou", Role.SUPPORT, scope=far))
    assert open_file(browser, SOMEBODY).status_code == 404
    # Nor whether there is such an account.
    assert open_file(browser, "@nobody:education.example").status_code == 404
    assert open_file(browser, "@nobody:guests.example").status_code == 400


@pytest.mark.parametrize("typed", ["", "nobody", "@nobody:x.example", "a@b@c", "x" * 600])
def test_what_names_nobody_is_told_at_the_field(desk, typed):
    answer = open_file(desk, typed)
    assert answer.status_code == 400
    assert "Type a whole address" in words(answer)


def test_a_file_opens_by_the_account(desk, services):
    fill_every_story(services)
    assert CAMILLE.display in words(open_file(desk, HERS))


def test_deeds_ask_why_and_say_what_followed(desk, services):
    fill_every_story(services)
    open_file(desk)
    path = desk.at
    assert heading(desk.post(f"{path}/free")) == "Confirm"
    freed = desk.post(f"{path}/free", reason="ticket 4412")
    assert "The address is free" in words(freed)
    again = desk.post(f"{path}/free", reason="ticket 4412")
    assert "Nothing was changed" in words(again)
    unlocked = desk.post(f"{path}/unlock", reason="ticket 4412")
    assert re.search("The codes have all their tries again|No code was locked", words(unlocked))


def test_the_answer_is_in_the_persons_language_and_names_no_other(desk, services):
    fill_every_story(services)
    open_file(desk)
    answer = desk.get(f"{desk.at}/answer")
    text = unescape(re.search(r"<textarea[^>]*>(.*?)</textarea>", answer.text, re.DOTALL)[1])
    assert text.startswith("Bonjour,")
    for other in (GIL, ZOES, ZOE):
        assert other not in text


def test_an_export_is_a_file_that_names_nobody_else(desk, services):
    fill_every_story(services)
    open_file(desk)
    path = desk.at
    answer = desk.post(f"{path}/export", reason="she asked for it")
    told = json.loads(answer.text)
    assert told["address"] == CAMILLE.canonical
    assert answer.headers["Cache-Control"] == "no-store"
    assert CAMILLE.local not in answer.headers["Content-Disposition"]
    assert ZOE not in answer.text
    with services.database.reading() as session:
        assert len(journal.find_recent(session, action="person.export")) == 1


def test_an_admin_erases_after_a_look_and_the_address_typed(sign_in, ada, apps, services, clock):
    fill_every_story(services)
    apps.enrol(ada)
    admin = sign_in(ada)
    assert admin.get("/admin/people/erase").status_code == 200
    page = admin.post("/admin/people/erase", who=CAMILLE.display, reason="ticket 9")
    assert (heading(page), "verification_requests" in page.text) == ("Erase a person", True)
    path = admin.at
    looked = admin.post(f"{path}/look", reason="ticket 9")
    assert ("verification_requests" in looked.text, admin.at) == (True, path)
    wrong = admin.post(path, address="someone@else.example", reason="ticket 9")
    assert (wrong.status_code, "not the address" in words(wrong)) == (400, True)
    clock.advance(minutes=11)
    asked = admin.post(path, address=CAMILLE.display, reason="ticket 9")
    assert heading(asked) == "Confirm"
    done = admin.post(
        path, address=CAMILLE.display, reason="ticket 9", second_factor=apps.code(ada)
    )
    assert "The person is erased" in words(done)
    assert admin.get(path).status_code == 404
    with services.database.reading() as session:
        assert codes.find_newest(session, Purpose.SIGN_UP, CAMILLE.canonical) is None
        assert len(journal.find_recent(session, action="person.erase")) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_that_a_file_may_say_has_a_text(language):
    known = texts(language)
    wanted = [f"console.story.happened.{each}" for each in Happened]
    wanted += [f"console.story.mail-{each}" for each in MailState]
    wanted += [f"console.{part}.{each}" for each in Situation for part in ("short", "answer")]
    wanted += [f"console.person.state.{each}" for each in AccountState]
    wanted += [f"console.person.class.{each}" for each in AccountClass]
    assert all(known.gettext(each) for each in wanted)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_event_has_a_sentence_in_both_languages(sign_in, sami, services, language):
    fill_every_story(services)
    browser = sign_in(sami, language=language)
    page = open_file(browser)
    seen = 1
    while following := re.search(r'href="([^"]+)" rel="next"', page.text):
        page = browser.get(unescape(following[1]))
        seen += 1
    assert (page.status_code, seen >= 1) == (200, True)
