"""Whoever is erased stands nowhere any more: not in a table, not in the files, not as a hash that is known."""

import pytest
from sqlalchemy import String, cast, func, select

from domain_rules.addresses import EmailAddress
from domain_rules.rule import AccountClass, Rule, RuleKind
from identity.accounts import models as accounts, operator_changes as session_changes
from identity.binding import service as binding
from identity.bulk_invites import models as bulk_invites
from identity.core import journal
from identity.core.database import marked_columns
from identity.core.journal import Actor
from identity.core.keyed_hashes import KEYED_HASH
from identity.core.personal_data import ADDRESS, HASH, TEXT, USER_ID
from identity.freezes import service as freezes
from identity.freezes.models import Frozen
from identity.homeservers import changing as homeserver_changes
from identity.invitations import blocks, operator_changes as invitation_changes
from identity.invitations.models import ThirdPartyInvitation
from identity.mail import pausing
from identity.people import erasure, erasure_log, guests, service as people
from identity.people.erasure import NotErased
from identity.rule_changes import journal_check, service as rule_changes
from identity.threepids import account_models as identity_accounts, associations
from tests.worlds.one_person.filling import fill_every_story
from tests.worlds.one_person.names import CAMILLE, HERS, LOCAL, OLGA, TAGGED, TYPED, ZOE
from tests.worlds.one_person.traces import count_rows, dump, traces
from tests.worlds.services import EDUCATION


@pytest.fixture
def log(tmp_path):
    return tmp_path / "elsewhere" / "erasures.jsonl"


@pytest.fixture
def erase(services, log):
    def erase(address=CAMILLE, *, log=log, who=OLGA):
        with services.database.transaction() as session:
            return erasure.erase(session, services.hashes, services.now(), address, who, log=log)

    return erase


def names_her(column):
    text = func.lower(cast(column, String))
    return text.contains(LOCAL, autoescape=True) | text.contains(HERS, autoescape=True)


def test_she_stands_in_every_column_that_may_name_somebody(services):
    """Or the proof below would prove nothing."""
    fill_every_story(services)
    with services.database.reading() as session:
        empty = [
            f"{column.class_.__tablename__}.{column.key}"
            for mark in (ADDRESS, USER_ID, TEXT)
            for column in marked_columns(mark)
            if session.scalar(select(column).where(names_her(column)).limit(1)) is None
        ]
        hashed = [column for mark in (HASH, KEYED_HASH) for column in marked_columns(mark)]
        assert all(session.scalar(select(column).limit(1)) for column in hashed)
    assert empty == []


@pytest.mark.parametrize("typed", [CAMILLE, TAGGED], ids=["her address", "a tag of it"])
def test_nothing_of_her_is_left_in_a_dump(services, erase, log, typed):
    fill_every_story(services)
    wanted = traces(services)
    before = dump(services.database)
    stood = {what for what, trace in wanted.items() if trace in before}
    assert {"local part", "user ID", "name"} <= stood
    assert any("lookup" in what for what in stood)
    assert any("opt-out" in what for what in stood)
    assert any("pseudonym" in what for what in stood)
    done = erase(typed)
    services.database.overwrite_deleted()
    after = dump(services.database)
    assert len(after) > 1000
    assert {what for what, trace in wanted.items() if trace in after} == set()
    assert HERS in done.person.user_ids
    assert {CAMILLE.canonical, TAGGED.canonical} <= set(done.person.addresses)
    # Nor in the log, but for the hashes that are its own.
    logged = log.read_text().lower()
    assert {what for what, trace in wanted.items() if trace in logged} == {
        what
        for what in wanted
        if what.split()[0] in {"log", "opt-out", "pseudonym"} and wanted[what] in logged
    }
    assert "log of" in " ".join(what for what, trace in wanted.items() if trace in logged)
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_journal_keeps_the_act_and_its_chain(services, erase):
    fill_every_story(services)
    erase()
    with services.database.reading() as session:
        assert journal_check.verify(session).fault is None
        row = journal.find_recent(session, limit=1)[0]
        known = people.known_of(session, services.hashes, services.now(), CAMILLE)
    assert (row.action, row.actor, row.reason) == ("person.erase", "olga", OLGA.reason)
    assert row.subject.startswith("person:")
    assert LOCAL not in row.facts
    assert known.erased_at == services.now()
    assert (known.records, known.stays) == ([], {})


def test_others_keep_what_is_theirs(services, erase):
    fill_every_story(services)
    with services.database.reading() as session:
        zoes = people.find_person(session, EmailAddress.parse("zoe.martin@ac-rouen.example"))
        before = session.query(ThirdPartyInvitation).count()
    erase()
    with services.database.reading() as session:
        found = session.query(ThirdPartyInvitation).all()
        assert len(found) == before
        live = [each for each in found if each.ended_at is None and each.address.startswith("lea")]
        assert [each.sender for each in live] == [ZOE]
        to_her = [each for each in found if each.address.startswith("erased-")]
        assert to_her
        assert {each.invitee for each in to_her} == {None}
        assert associations.find_by_address(session, "zoe.martin@ac-rouen.example").user_id == ZOE
        assert zoes.user_ids == (ZOE,)
        lists = session.query(bulk_invites.BulkInvite).all()
        assert {each.owner for each in lists} == {ZOE}
        rows = session.query(bulk_invites.BulkInviteRow).all()
        assert "gil@association.example" in {each.address for each in rows}


def test_who_is_unknown_leaves_no_row_and_no_line(services, erase, log):
    nobody = EmailAddress.parse("nobody@ac-rouen.example")
    assert erase(nobody) is None
    assert not log.exists()
    fill_every_story(services)
    erase()
    rows = count_rows(services.database)
    assert erase() is None
    assert count_rows(services.database) == rows
    assert len(erasure_log.read(log)) == 1


def test_a_story_that_forgets_a_table_erases_nothing_at_all(services, erase, log, monkeypatch):
    fill_every_story(services)
    rows = count_rows(services.database)
    _attempts, *others = people.PARTS  # attempts have no name of their own, see the dump above
    for part in others:
        left = tuple(each for each in people.PARTS if each is not part)
        monkeypatch.setattr(erasure, "PARTS", left)
        with pytest.raises(NotErased):
            erase()
    assert count_rows(services.database) == rows
    assert not log.exists()


def test_without_a_log_that_can_be_written_nothing_is_erased(services, erase, tmp_path):
    fill_every_story(services)
    rows = count_rows(services.database)
    folder = tmp_path / "a folder"
    folder.mkdir()
    with pytest.raises(erasure_log.ErasureLogUnusable, match="nothing was erased"):
        erase(log=folder)
    assert count_rows(services.database) == rows


def test_an_account_with_another_mailbox_goes_on(services, erase):
    other = "cdurand@ac-rouen.example"
    fill_every_story(services)
    with services.database.transaction() as session:
        binding.record_verified(session, services.now(), address=other, user_id=HERS)
    done = erase()
    assert (done.person.user_ids, done.person.shared_user_ids) == ((), (HERS,))
    with services.database.reading() as session:
        account = accounts.find_by_user_id(session, HERS)
        assert account.address == other
        assert associations.find_by_address(session, CAMILLE.canonical) is None
        assert associations.find_by_address(session, other).user_id == HERS
    assert any("another mailbox" in each for each in done.stays)


def test_a_rule_for_her_address_is_the_operators_and_stays(services, erase):
    fill_every_story(services)
    with services.database.transaction() as session:
        rule = Rule(
            RuleKind.ADDRESS,
            CAMILLE.canonical,
            AccountClass.AGENT,
            EDUCATION,
            requires_invite=False,
        )
        difference = rule_changes.compare(session, put=[rule])
        rule_changes.publish(session, services.now(), difference, OLGA)
    stays = erase().stays
    assert any("rules.pattern" in each for each in stays)
    assert any("journal.facts" in each for each in stays)
    with services.database.reading() as session:
        assert journal_check.verify(session).fault is None
        assert (
            "rules.pattern"
            in people.known_of(session, services.hashes, services.now(), CAMILLE).stays
        )


@pytest.mark.parametrize("typed", [CAMILLE, TAGGED], ids=["her address", "a tag of it"])
def test_what_operators_did_about_her_names_her_nowhere_either(services, erase, typed):
    """Reasons are free text, and user IDs are made from addresses: the journal is never changed."""
    fill_every_story(services)
    wanted = {what: trace for what, trace in traces(services).items() if what.split()[0] != "log"}
    who = Actor("olga", "here", f"complaint about {TYPED}, {HERS} <{TAGGED.display}>")
    now, rules = services.now(), services.rules.current()
    with services.database.transaction() as session:
        freezes.freeze(session, now, who, Frozen.MAILS)
        freezes.freeze(session, now, who, Frozen.MAILS)
        pausing.pause(session, now, who, kind="invite", domain="")
        blocks.block(session, now, who, HERS, hashes=services.hashes)
        blocks.unblock(session, now, who, HERS, hashes=services.hashes)
        blocks.block(session, now, who, HERS, hashes=services.hashes)
        identity_accounts.issue(session, now, user_id=HERS)
        session_changes.end_sessions(session, now, who, HERS, hashes=services.hashes)
        homeserver_changes.hold(session, now, who, EDUCATION)
        for row in session.query(ThirdPartyInvitation).filter_by(sender=HERS):
            invitation_changes.extend(session, now, who, row, days=3)
        guests.end(session, services.hashes, rules, now, guest="gil@association.example", who=who)
        known = people.known_of(session, services.hashes, now, CAMILLE)
    assert {"inviter.block", "session.end"} <= {act.action for act in known.acts}
    erase(typed, who=who)
    services.database.overwrite_deleted()
    after = dump(services.database)
    assert {what for what, trace in wanted.items() if trace in after} == set()
