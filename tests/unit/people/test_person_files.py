"""The file of one person: opened with a reason for half an hour, with their whole story, others masked."""

import json
import uuid

import pytest
from sqlalchemy import event as sql

from domain_rules.addresses import EmailAddress
from identity.accounts.models import Account
from identity.core import journal
from identity.core.one_time_codes import models as codes
from identity.core.one_time_codes.models import Purpose
from identity.core.personal_data import View
from identity.maintenance import retention
from identity.operators.roles import Scope
from identity.people import erasure, files, helping, in_short, views
from identity.people.file_models import PersonFile
from identity.people.in_short import Situation
from identity.people.parts import PARTS
from identity.problems import WrongParameter
from tests.worlds.one_person.filling import fill_every_story
from tests.worlds.one_person.names import CAMILLE, GIL, HERS, TAGGED, ZOE, ZOES
from tests.worlds.operators import *
from tests.worlds.person_files import *


def whole_story(services, session, opened, limit=50):
    """All pages, one after the other."""
    after, found, pages = None, [], 0
    while True:
        page = files.read_story(
            *(session, services.hashes, services.now(), opened.person), after=after, limit=limit
        )
        found += page.items
        after, pages = page.following, pages + 1
        if after is None:
            return found, pages


def test_a_story_has_every_event_once_newest_first(services, open_file, find):
    fill_every_story(services)
    file_id = open_file()
    with services.database.reading() as session:
        opened = find(session, file_id)
        found, pages = whole_story(services, session, opened, limit=7)
        view = View(session, services.hashes, services.now(), opened.person)
        stored = [
            (row.what, row.key)
            for part in PARTS
            for query in part.events_of(view)
            for row in session.execute(query)
        ]
    assert pages > 1
    assert sorted((each.what, each.key) for each in found) == sorted(stored)
    assert len(set(stored)) == len(stored)
    moments = [each.at for each in found]
    assert moments == sorted(moments, reverse=True)
    kinds = {each.what.partition("-")[0] for each in found}
    assert kinds == {
        *(
            "account",
            "address",
            "attempt",
            "client",
            "code",
            "deed",
            "domain",
            "invited",
            "inviter",
        ),
        *("inviting", "list", "mail", "refusal", "request", "room", "session"),
    }


def test_others_are_masked_until_each_is_asked_for(services, open_file, find):
    fill_every_story(services)
    file_id = open_file()

    def read():
        with services.database.reading() as session:
            opened = find(session, file_id)
            found, _ = whole_story(services, session, opened)
            told = [views.describe_event(session, services.hashes, opened, e) for e in found]
        return found, told

    found, told = read()
    text = json.dumps(views.ready_for_json(told), ensure_ascii=False)
    for other in (GIL, ZOES, ZOE, "lea@asso.example", "zoe.martin"):
        assert other not in text
    assert "@z•••:education.example" in text
    wanted = next(each for each in found if each.whom == ZOE)
    with services.database.transaction() as session:
        assert files.show_neighbour(
            *(session, services.hashes, services.now(), TICKET, find(session, file_id)),
            what=wanted.what,
            key=wanted.key,
        )
        rows = journal.find_recent(session, action=files.SHOW)
        subject = services.hashes.find_journal_name_of_user(session, ZOE)
    assert [(row.subject, row.reason, row.actor) for row in rows] == [
        (subject, "ticket 4412", "Sami")
    ]
    text = json.dumps(views.ready_for_json(read()[1]), ensure_ascii=False)
    assert ZOE in text
    for other in (GIL, ZOES, "lea@asso.example"):
        assert other not in text


def test_an_event_of_somebody_else_shows_nobody(services, open_file, find):
    fill_every_story(services)
    gils = open_file(EmailAddress.stored(GIL))
    hers = open_file()
    with services.database.reading() as session:
        opened = find(session, hers)
        mine, _ = whole_story(services, session, opened)
    hers = next(each for each in mine if each.what == "inviter-muted")
    with services.database.transaction() as session:
        opened = find(session, gils)
        for what, key in ((hers.what, hers.key), ("inviter-muted", "x"), ("", "")):
            assert not files.show_neighbour(
                *(session, services.hashes, services.now(), TICKET, opened), what=what, key=key
            )
        assert opened.file.shown == []


@pytest.mark.parametrize("after", ["x", "e30", "WyJhIiwgImIiXQ", "WzEsMiwzXQ", "\u00e9"])
def test_a_page_of_nowhere_is_refused(services, open_file, find, after):
    file_id = open_file()
    with services.database.reading() as session:
        opened = find(session, file_id)
        with pytest.raises(WrongParameter):
            files.read_story(session, services.hashes, services.now(), opened.person, after=after)


def test_a_file_is_its_operators_for_half_an_hour(services, open_file, find, clock, ada):
    file_id = open_file()
    with services.database.reading() as session:
        assert find(session, file_id) is not None
        assert find(session, file_id, operator_id=ada.id) is None
        assert find(session, uuid.uuid4()) is None
        rows = journal.find_recent(session, action=files.OPEN)
        name = services.hashes.find_journal_name(session, CAMILLE.mailbox_key())
    assert [(row.subject, row.reason) for row in rows] == [(name, "ticket 4412")]
    assert CAMILLE.canonical not in rows[0].facts
    clock.advance(minutes=30)
    with services.database.reading() as session:
        assert find(session, file_id) is None
    clock.advance(days=1, minutes=1)
    retention.clean_up(services.database, services.now(), services.hashes)
    with services.database.reading() as session:
        assert session.get(PersonFile, file_id) is None
        assert len(journal.find_recent(session, action=files.OPEN)) == 1


def test_who_looks_after_another_homeserver_finds_nobody(services, open_file, find):
    here = Scope(homeservers=frozenset({"education.example"}))
    elsewhere = Scope(homeservers=frozenset({"elsewhere.example"}))
    by_name = Scope(organisations=frozenset({"Éducation nationale – Rouen"}))
    address = EmailAddress.stored("camille.durand@ac-rouen.example")
    assert open_file(address, elsewhere) is None
    file_id = open_file(address, here)
    with services.database.reading() as session:
        assert find(session, file_id, scope=here) is not None
        assert find(session, file_id, scope=by_name) is not None
        assert find(session, file_id, scope=elsewhere) is None
        assert len(journal.find_recent(session, action=files.OPEN)) == 1


def test_reading_a_file_takes_few_statements(services, open_file, find):
    fill_every_story(services)
    file_id, seen = open_file(), []
    services.rules.current()
    with services.database.reading() as session:
        listen = session.get_bind().engine
        sql.listen(listen, "before_cursor_execute", lambda *args: seen.append(args[2]))
        opened = find(session, file_id)
        in_short.tell(session, services.hashes, services.now(), opened)
        files.read_story(session, services.hashes, services.now(), opened.person, after=None)
    assert 0 < len(seen) <= 7, seen


def test_whoever_is_erased_has_no_file_left(services, open_file, find):
    fill_every_story(services)
    file_id = open_file(TAGGED)
    log = services.settings.erasure_log_file
    with services.database.transaction() as session:
        erasure.erase(session, services.hashes, services.now(), CAMILLE, TICKET, log=log)
    with services.database.reading() as session:
        assert find(session, file_id) is None


def test_unlocked_codes_have_all_tries_again_once(services, open_file, find):
    address = EmailAddress.stored("lea@nowhere.invalid")
    lock_codes(services, address.canonical, 20)
    file_id = open_file(address)
    with services.database.transaction() as session:
        person = find(session, file_id).person
        facts = (session, services.hashes, services.now(), TICKET, person)
        assert helping.unlock_codes(*facts) == 1
        assert helping.unlock_codes(*facts) == 0
        rows = journal.find_recent(session, action=helping.UNLOCK)
    assert [row.reason for row in rows] == ["ticket 4412"]
    with services.database.reading() as session:
        found = codes.find_newest(session, Purpose.SIGN_UP, address.canonical)
        told = in_short.tell(session, services.hashes, services.now(), find(session, file_id))
    assert (found.wrong, found.wrong_held) == (0, 0)
    assert told.situation not in {Situation.CODES_LOCKED, Situation.ADDRESS_LOCKED}


def test_in_short_of_an_account_and_of_nobody(services, open_file, find):
    fill_every_story(services)
    hers, nobodys = open_file(), open_file(EmailAddress.stored("nobody@ac-rouen.example"))
    with services.database.reading() as session:
        assert session.query(Account).filter_by(user_id=HERS).count() == 1
        hers = in_short.tell(session, services.hashes, services.now(), find(session, hers))
        nobodys = in_short.tell(session, services.hashes, services.now(), find(session, nobodys))
    assert nobodys.situation is Situation.NOTHING
    assert hers.situation in {Situation.NO_MAILBOX, Situation.HAS_ACCOUNT}


def test_an_address_is_freed_and_then_nothing_keeps_it_away(services, open_file, find):
    fill_every_story(services)
    file_id = open_file()
    with services.database.transaction() as session:
        facts = (session, services.hashes, services.now(), TICKET, find(session, file_id).person)
        assert helping.free_address(*facts)
        assert not helping.free_address(*facts)
    with services.database.reading() as session:
        told = in_short.tell(session, services.hashes, services.now(), find(session, file_id))
    assert told.situation is Situation.HAS_ACCOUNT


def test_that_an_address_was_freed_stands_in_its_story(services, open_file, find):
    fill_every_story(services)
    file_id = open_file()
    with services.database.transaction() as session:
        opened = find(session, file_id)
        helping.free_address(session, services.hashes, services.now(), TICKET, opened.person)
    with services.database.reading() as session:
        found, _ = whole_story(services, session, find(session, file_id))
    deeds = [(each.detail, each.whom) for each in found if each.what == "deed"]
    assert ("mail.allow", "Sami") in deeds
