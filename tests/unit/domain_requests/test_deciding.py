"""Operators decide once; a change in force opens the domain and tells everybody who asked."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from domain_rules.addresses import EmailAddress
from domain_rules.rule import RuleKind
from identity.core.journal import JournalEntry
from identity.domain_requests import deciding, ending, models, open_names, service, views
from identity.domain_requests.models import Refusal
from identity.mail.models import Mail
from identity.mail.quota import Template
from identity.operators.roles import ALL, Scope
from identity.problems import (
    DomainLooksAlike,
    DomainRequestDecided,
    NoSuchDomainRequest,
    NotPermitted,
    WrongParameter,
)
from identity.routing import models as stored_rules
from identity.rule_changes import change_models, changes as stored_changes
from tests.worlds.domain_askers import *


@pytest.fixture
def accept(office, services):
    def accept(number=1, who=EMIL, **facts):
        facts = {"homeserver": EDUCATION} if "sibling_of" not in facts and not facts else facts
        facts.setdefault("organisation", "Normandie")
        with services.database.transaction() as session:
            if "into" in facts:
                facts["into"] = stored_changes.required(session, facts["into"])
            return deciding.accept(
                session,
                services.rules.current(),
                office.clock(),
                who,
                models.find(session, number),
                **facts,
            ).number

    return accept


@pytest.fixture
def decisions(services):
    """The mails about decisions that are ordered, in the order in which they leave."""

    def decisions():
        with services.database.reading() as session:
            asked = select(Mail).where(Mail.template == Template.DOMAIN_DECISION)
            return session.scalars(asked.order_by(Mail.due_at)).all()

    return decisions


def last_words(postbox) -> str:
    text = postbox.sent[-1].get_body(("plain",)).get_content()
    return " ".join(text.replace("\u00a0", " ").split())


def test_an_accepted_domain_opens_with_its_change_and_everybody_is_told(
    office, accept, decisions, postbox, clock, services
):
    for name in ("jean", "lea", "max"):
        office.ask(f"{name}@{NORMANDIE}")
    number = accept()
    assert (office.read().state, decisions()) == ("accepted", [])
    office.work()
    office.apply(number)
    assert (office.read().state, office.read().ended_at) == ("opened", clock())
    due = [mail.due_at - clock() for mail in decisions()]
    assert due == [timedelta(0), timedelta(seconds=18), timedelta(seconds=36)]
    clock.advance(minutes=1)
    office.work()
    assert {mail.state for mail in decisions()} == {"handed"}
    assert f"Les adresses @{NORMANDIE} sont ouvertes depuis le 1 mars 2027." in last_words(postbox)
    address = EmailAddress.parse(JEAN)
    with services.database.reading() as session:  # what is in memory may be two seconds old
        rules = stored_rules.load_rule_set(session, at=clock())
    assert rules.decide(address).homeserver == EDUCATION


def test_a_change_settled_twice_tells_nobody_twice(office, accept, decisions, services, clock):
    office.ask()
    number = accept()
    office.work()
    office.apply(number)
    with services.database.transaction() as session:
        change = change_models.find(session, number)
        assert ending.settle_applied(session, clock(), change) == []
    assert len(decisions()) == 1


def test_a_sibling_stays_closed_and_people_learn_the_other_domain(
    office, accept, decisions, postbox
):
    office.ask()
    number = accept(sibling_of="ac-rouen.example")
    office.work()
    office.apply(number)
    office.work()
    assert office.read().state == "redirected"
    said = "les comptes se créent avec l’adresse @ac-rouen.example"
    assert said in last_words(postbox)


def test_a_line_taken_out_of_the_change_lets_the_request_wait_again(
    office, accept, decisions, services
):
    office.ask()
    office.ask("jean@other.example")
    number = accept(1)
    office.work()
    accept(2, homeserver=EDUCATION, into=number)
    office.work()
    with services.database.transaction() as session:
        change = stored_changes.required(session, number)
        key = (RuleKind.DOMAIN, NORMANDIE)
        stored_changes.drop_line(session, office.clock(), EMIL, change, key, version=change.version)
        stored_changes.order_check(session, office.clock(), EMIL, change)
    office.work()
    office.apply(number)
    assert (office.read(1).state, office.read(1).change_id) == ("open", None)
    assert (office.read(1).decided_at, office.read(1).decided_by) == (None, None)
    assert office.read(2).state == "opened"
    assert len(decisions()) == 1


def test_an_abandoned_change_lets_the_request_wait_again(office, accept, services, clock):
    office.ask()
    number = accept()
    office.work()
    with services.database.transaction() as session:
        change = change_models.find(session, number)
        stored_changes.abandon(session, clock(), EMIL, change)
        assert ending.settle_abandoned(session, clock(), limit=10) == 1
        assert ending.settle_abandoned(session, clock(), limit=10) == 0
    assert office.read().state == "open"


def test_a_refusal_tells_why_and_may_close_the_door(office, postbox, clock):
    office.ask()
    office.do(
        deciding.refuse,
        1,
        refusal=Refusal.OTHER_DOMAIN,
        note="Utilisez @ac-rouen.example.",
        for_a_year=True,
    )
    office.work()
    assert "utilise un autre domaine. Un agent peut vous inviter." in last_words(postbox)
    assert "Utilisez @ac-rouen.example." in last_words(postbox)
    assert office.read().closed_until == clock() + timedelta(days=365)


def test_of_two_operators_the_second_is_told_and_changes_nothing(office, accept):
    office.ask()
    office.do(deciding.refuse, 1, refusal=Refusal.NOT_READY)
    with pytest.raises(DomainRequestDecided) as late:
        accept(who=INES)
    assert (late.value.by, late.value.state) == ("Emil", "refused")
    with pytest.raises(DomainRequestDecided):
        office.do(deciding.ask_back, 1, INES, question="Who are you?")
    assert office.read().decided_by == "Emil"


def test_names_are_compared_before_the_lock_that_everybody_who_asks_waits_for(
    office, accept, services, monkeypatch
):
    office.ask()
    order = []

    def note(module, name):
        real = getattr(module, name)

        def noted(*given):
            order.append(name)
            return real(*given)

        monkeypatch.setattr(module, name, noted)

    note(open_names, "open_rules")
    note(models, "lock")
    accept()
    assert order == ["open_rules", "lock"]
    office.ask("jean@other.example")
    accept(2)
    assert order.count("open_rules") == 1  # the rules are the same: they are not read again


def test_a_domain_that_looks_like_an_open_one_is_typed_to_be_accepted(office, accept):
    office.ask("jean@ac-r0uen.example")
    for typed in ("", "ac-rouen.example"):
        with pytest.raises(DomainLooksAlike) as alike:
            accept(homeserver=EDUCATION, typed=typed)
        assert alike.value.others == ["ac-rouen.example"]
    accept(homeserver=EDUCATION, typed=" AC-R0UEN.example ")
    assert office.read().state == "accepted"


def test_merged_requests_are_decided_together(office, accept, services):
    office.ask()
    office.ask("jean@acad-normandie.example")
    office.do(merge_into, 2, into=1)
    with pytest.raises(WrongParameter):
        office.do(merge_into, 1, into=2)
    number = accept(1)
    with services.database.reading() as session:
        change = change_models.find(session, number)
        patterns = [line.pattern for line in change_models.find_lines(session, change.id)]
    assert patterns == [NORMANDIE, "acad-normandie.example"]
    assert (office.read(1).state, office.read(2).state) == ("accepted", "accepted")


def test_of_two_mergers_at_once_in_both_directions_one_counts(office, services):
    office.ask()
    office.ask("jean@acad-normandie.example")
    with services.database.transaction() as session:
        stale = models.find(session, 1), models.find(session, 2)
        session.expunge_all()
    office.do(merge_into, 2, into=1)
    with services.database.transaction() as session:
        session.add_all(stale)
        with pytest.raises(WrongParameter):
            deciding.merge(session, office.clock(), INES, *stale)
    assert waiting(services, office.clock) == (1, [1])


def test_what_was_merged_waits_by_itself_once_the_other_ended(office, services, clock):
    office.ask()
    office.ask("jean@acad-normandie.example")
    office.do(merge_into, 2, into=1)
    assert waiting(services, clock) == (1, [1])
    office.do(withdraw, 1)
    assert waiting(services, clock) == (1, [2])
    office.ask("jean@third.example")
    office.do(merge_into, 3, into=2)
    office.do(deciding.refuse, 2, refusal=Refusal.NOT_READY)
    assert (office.read(2).state, office.read(3).state) == ("refused", "refused")
    office.do(deciding.reopen, 3)
    assert waiting(services, clock) == (1, [3])


def withdraw(session, now, _who, request):
    service.withdraw(session, now, request, models.find_own(session, request.id, JEAN))


def test_mails_about_requests_decided_together_share_their_pace(office, decisions, clock):
    for domain in (NORMANDIE, "acad-normandie.example"):
        for name in ("jean", "lea"):
            office.ask(f"{name}@{domain}")
    office.do(merge_into, 2, into=1)
    office.do(deciding.refuse, 1, refusal=Refusal.NOT_READY)
    due = [(mail.due_at - clock()).total_seconds() for mail in decisions()]
    assert due == [0, 18, 36, 54]


def test_after_a_roll_back_nobody_is_told_that_the_domain_is_open(
    office, accept, decisions, services, clock
):
    for name in ("jean", "lea", "max"):
        office.ask(f"{name}@{NORMANDIE}")
    number = accept()
    office.work()
    office.apply(number)
    office.work(1)
    close(services, clock())
    clock.advance(minutes=1)
    office.work()
    assert [mail.state for mail in decisions()] == ["handed", "dropped", "dropped"]
    office.do(deciding.reopen, 1)
    assert office.read().state == "open"


def close(services, now):
    with services.database.transaction() as session:
        gone = stored_rules.find_in_force(session, [(RuleKind.DOMAIN, NORMANDIE)])
        difference = rule_changes.compare(session, take_away=gone)
        rule_changes.publish(session, now, difference, OPERATOR)


def test_a_sibling_is_taken_back_and_an_open_domain_is_not(office, accept, services, clock):
    office.ask()
    number = accept(sibling_of="ac-rouen.example")
    office.work()
    office.apply(number)
    with pytest.raises(DomainRequestDecided):
        office.do(deciding.reopen, 1)
    close(services, clock())
    office.do(deciding.reopen, 1)
    assert (office.read().state, office.read().decided_by) == ("open", None)


def merge_into(session, now, who, request, *, into):
    deciding.merge(session, now, who, request, models.find(session, into))


def test_a_question_is_mailed_to_the_first_ten_and_answered_once(office, postbox):
    asked = [office.ask(f"person{n}@{NORMANDIE}") for n in range(11)]
    office.work(1)
    before = len(postbox.sent)
    assert office.do(deciding.ask_back, 1, question="Who runs it?") == 10
    office.work(1)
    assert len(postbox.sent) - before == 10
    assert "Who runs it?" in last_words(postbox)
    office.do(reply, 1, requester=asked[10].requester.id)
    assert office.read().state == "open"
    with pytest.raises(DomainRequestDecided):
        office.do(reply, 1, requester=asked[0].requester.id)


def reply(session, now, _who, request, *, requester):
    found = models.find_requester(session, requester)
    service.answer(session, now, request, found, "We do.")


def test_what_is_put_off_waits_no_more_until_then(office, services, clock):
    office.ask()
    office.do(deciding.put_off, 1, until=clock() + timedelta(days=7))
    assert waiting(services, clock) == (0, [])
    clock.advance(days=7)
    assert waiting(services, clock) == (1, [1])


def waiting(services, clock, scope=ALL):
    with services.database.reading() as session:
        page = views.find_page(session, clock(), scope=scope)
        numbers = [each.number for each in page.items]
        return views.count_waiting(session, clock(), scope=scope), numbers


def test_a_scope_sees_and_takes_only_what_lies_within(office, accept, services, clock):
    office.ask()
    office.work()
    inside, outside = Scope(homeservers=frozenset({EDUCATION})), Scope(frozenset({"Elsewhere"}))
    assert waiting(services, clock, inside) == (1, [1])
    assert waiting(services, clock, outside) == (0, [])
    with services.database.reading() as session, pytest.raises(NoSuchDomainRequest):
        deciding.required(session, 1, outside)
    with pytest.raises(NotPermitted):
        accept(homeserver=GUESTS, scope=inside)
    accept(sibling_of="ac-rouen.example", scope=inside)
    assert office.read().state == "accepted"


def test_a_decision_taken_back_waits_again_and_tells_once_it_is_new(office, accept, decisions):
    office.ask()
    office.do(deciding.refuse, 1, refusal=Refusal.NOT_READY, for_a_year=True)
    office.do(deciding.reopen, 1, INES)
    assert (office.read().state, office.read().closed_until) == ("open", None)
    number = accept()
    office.work()
    office.apply(number)
    assert len(decisions()) == 2


def test_every_deed_is_in_the_journal(office, accept, services, clock):
    office.ask()
    office.do(deciding.ask_back, 1, question="Who runs it, jean@x.example?")
    office.do(deciding.put_off, 1, until=clock() + timedelta(days=7))
    office.do(deciding.refuse, 1, refusal=Refusal.NOT_READY)
    office.do(deciding.reopen, 1)
    accept()
    with services.database.reading() as session:
        rows = session.scalars(select(JournalEntry).where(JournalEntry.subject == "D-1")).all()
    assert [row.action for row in rows] == [
        *("request.ask", "request.put_off", "request.refuse", "request.reopen", "request.accept"),
    ]
    assert {row.reason for row in rows} == {"ticket 12"}
    assert "@" not in "".join(row.facts for row in rows)
