"""Who asks joins the one request of their domain, within limits; the worker collects the evidence."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from identity.core.database import Base
from identity.core.dns_answers import DnsAnswer, Found
from identity.core.outbox import Job
from identity.domain_requests import deciding, limits, proofs, service, views
from identity.domain_requests.models import Refusal
from identity.mail import models as mails
from identity.mail.models import Mail
from identity.maintenance import retention
from identity.problems import DomainRequestDecided, TooManyRequests
from tests.worlds.domain_askers import *


def test_whoever_asks_later_joins_and_a_second_time_is_the_first(office):
    first, again = office.ask(), office.ask()
    assert (first.request.number, first.is_new, again.is_new) == (1, True, False)
    assert again.requester.id == first.requester.id
    assert office.ask(f"jean+x@{NORMANDIE}").requester.id == first.requester.id  # one mailbox
    assert office.ask(f"lea@{NORMANDIE}").request.number == 1
    assert office.read().people == 2
    assert office.ask("jean@other.example").request.number == 2


def test_all_who_ask_at_once_share_one_request(office):
    people = [f"person{n}@{NORMANDIE}" for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        numbers = {outcome.request.number for outcome in pool.map(office.ask, people)}
    assert numbers == {1}
    assert (office.read().people, len(office.people())) == (6, 6)


def test_a_mailbox_asks_five_times_a_day(office):
    for number in range(limits.MAX_A_DAY):
        asked = office.ask()
        office.do(withdraw_own, asked.request.number)
        assert office.read(number + 1).state == "withdrawn"
    with pytest.raises(TooManyRequests) as refused:
        office.ask()
    assert refused.value.retry_after == 86_400
    office.clock.advance(days=1)
    assert office.ask().is_new


def test_of_the_201st_only_the_number_grows(office, services, clock, monkeypatch):
    monkeypatch.setattr(limits, "MAX_OF_OWNER", 3)
    for name in ("ana", "bea", "cleo"):
        assert office.ask(f"{name}@{NORMANDIE}").requester is not None
    late = office.ask(f"dora@{NORMANDIE}")
    assert late.requester is None
    for again in ("dora", "dora+x", "DORA"):  # the same mailbox, with a new code each time
        late = office.ask(f"{again}@{NORMANDIE}")
        assert (late.requester, late.is_new) == (None, False)
    assert office.read().people == 4
    rows = office.people()
    assert {each.address for each in rows if "@" in each.address} == {
        f"{name}@{NORMANDIE}" for name in ("ana", "bea", "cleo")
    }
    assert "dora" not in str([vars(each) for each in rows])
    assert office.ask(f"ana@{NORMANDIE}").requester is not None  # who has a row keeps it


def test_who_was_only_counted_is_told_nothing_and_counts_once_when_there_is_room(
    office, services, monkeypatch
):
    monkeypatch.setattr(limits, "MAX_OF_OWNER", 2)
    office.ask()
    office.ask(f"lea@{NORMANDIE}")
    assert office.ask(f"dora@{NORMANDIE}").requester is None
    with services.database.reading() as session:
        told = views.describe_whole(session, models.find(session, 1))
    assert (told["people"], len(told["requesters"])) == (3, 2)
    office.do(deciding.refuse, 1, refusal=Refusal.NOT_OURS)
    with services.database.reading() as session:
        to = session.scalars(select(Mail.address).where(Mail.template == "domain_decision")).all()
    assert sorted(to) == [JEAN, f"lea@{NORMANDIE}"]
    office.do(deciding.reopen, 1)
    monkeypatch.setattr(limits, "MAX_OF_OWNER", 9)
    assert office.ask(f"dora@{NORMANDIE}").requester is not None
    assert (office.read().people, len(office.people())) == (3, 3)


def test_a_request_ends_with_the_last_who_withdraws(office):
    office.ask()
    lea = office.ask(f"lea@{NORMANDIE}")
    office.do(withdraw_own, 1)
    assert (office.read().state, office.read().people) == ("open", 1)
    office.do(withdraw_own, 1, mailbox=lea.requester.mailbox)
    assert office.read().state == "withdrawn"
    with pytest.raises(DomainRequestDecided):
        office.do(withdraw_own, 1)


def test_withdrawing_twice_at_once_counts_once(office, services):
    office.ask()
    office.ask(f"lea@{NORMANDIE}")
    with services.database.transaction() as session:
        request = models.find(session, 1)
        stale = models.find_own(session, request.id, JEAN)
        session.expunge(stale)
    office.do(withdraw_own, 1)
    with services.database.transaction() as session:
        session.add(stale)
        service.withdraw(session, office.clock(), models.find(session, 1), stale)
    assert office.read().people == 1


def test_asking_and_withdrawing_again_and_again_orders_one_mail_at_a_time(office, services):
    office.ask()
    office.ask(f"lea@{NORMANDIE}")
    for _ in range(4):
        office.do(withdraw_own, 1)
        assert office.ask().is_new
    with services.database.reading() as session:
        assert len(mails.find_by_address(session, JEAN)) == 1


def test_when_an_owner_is_full_its_subdomains_make_no_further_requests(office, monkeypatch):
    monkeypatch.setattr(limits, "MAX_OF_OWNER", 2)
    office.ask()
    office.ask(f"lea@{NORMANDIE}")
    for name in ("a", "b", "c"):
        late = office.ask(f"jean@{name}.{NORMANDIE}")
        assert (late.requester, late.request.number) == (None, 1)
    assert office.read().people == 5
    office.ask(f"jean@a.{NORMANDIE}")
    assert office.read().people == 5
    assert office.ask("jean@other.example").request.number == 2


def test_what_was_decided_since_the_door_was_looked_at_is_not_asked_for(office, services):
    office.ask()
    office.do(deciding.refuse, 1, refusal=Refusal.NOT_OURS, for_a_year=True)
    with pytest.raises(DomainRequestDecided):
        office.ask(f"lea@{NORMANDIE}")
    for domain in ("ac-rouen.example", "sub.asso-9.example"):
        if domain.startswith("sub"):
            put_rule(services, office.clock(), RuleKind.SUFFIX, "asso-9.example")
        with pytest.raises(DomainRequestDecided):
            office.ask(f"jean@{domain}")


def put_rule(services, now, kind, pattern, **facts):
    rule = Rule(kind, pattern, AccountClass.AGENT, EDUCATION, requires_invite=False, **facts)
    with services.database.transaction() as session:
        difference = rule_changes.compare(session, put=[rule])
        rule_changes.publish(session, now, difference, OPERATOR)


def test_what_people_type_is_stored_without_signs_that_deceive_the_reader(office):
    said = replace(WISH, organisation=" Rectorat\r\nde\u202e neUoR\u200b ", position="=HYPERLINK()")
    office.ask(wish=said)
    (person,) = office.people()
    assert (person.organisation, person.position) == ("Rectorat de neUoR", "=HYPERLINK()")
    office.do(deciding.ask_back, 1, question="Who?\x07\r\n\r\nReally?")
    office.clock.advance(minutes=1)
    office.do(reply, 1, text="We\u2066 do.\r\n\tReally.")
    assert [each.text for each in said_about(office)] == ["Who?\n\nReally?", "We do.\n Really."]


def reply(session, now, _who, request, *, text, mailbox=JEAN):
    service.answer(session, now, request, models.find_own(session, request.id, mailbox), text)


def said_about(office, number=1):
    with office.services.database.reading() as session:
        return models.find_messages(session, models.find(session, number).id)


def test_the_same_question_and_the_same_answer_twice_count_once(office):
    office.ask()
    assert office.do(deciding.ask_back, 1, question="Who?") == 1
    assert office.do(deciding.ask_back, 1, question="Who?") == 0
    office.clock.advance(minutes=1)
    for _ in range(2):
        office.do(reply, 1, text="We do.")
    assert [each.text for each in said_about(office)] == ["Who?", "We do."]


def test_who_withdrew_answers_no_more(office):
    office.ask()
    office.ask(f"lea@{NORMANDIE}")
    office.do(deciding.ask_back, 1, question="Who?")
    office.do(withdraw_own, 1)
    with pytest.raises(DomainRequestDecided):
        office.do(reply, 1, text="We do.")
    assert office.read().state == "asked"


def withdraw_own(session, now, _who, request, *, mailbox=JEAN):
    own = models.find_own(session, request.id, mailbox)
    service.withdraw(session, now, request, own)


def test_the_worker_collects_the_evidence(office, services):
    office.dns.add_zone(NORMANDIE)
    office.dns.put(NORMANDIE, "MX", "10 mx1.ac-rouen.example.")
    office.dns.put(NORMANDIE, "TXT", '"v=spf1 include:ac-rouen.example -all"', '"other"')
    office.dns.put("ac-rouen.example", "MX", "5 mx2.ac-rouen.example.")
    office.ask()
    office.ask("jean@ac-normandle.example")
    office.work()
    found = office.read()
    assert found.evidence["mail"]["servers"] == ["mx1.ac-rouen.example"]
    assert found.evidence["mail"]["spf"] == "v=spf1 include:ac-rouen.example -all"
    assert found.evidence["same_mail_as"] == ["ac-rouen.example"]
    assert found.evidence["look_alikes"] == [
        {"domain": "ac-normandle.example", "likeness": "looks"}
    ]
    assert (found.near, found.near_homeserver) == ("ac-rouen.example", EDUCATION)


def test_mail_at_a_company_for_all_proves_nothing(office):
    for domain in (NORMANDIE, "ac-rouen.example"):
        office.dns.put(domain, "MX", "10 x.mail.protection.outlook.com.")
    office.ask()
    office.work()
    found = office.read().evidence
    assert (found["mail"]["hosted"], found["same_mail_as"]) == (True, [])


def test_a_silent_dns_is_said_to_be_silent(office, monkeypatch):
    monkeypatch.setattr("identity.domain_requests.jobs.SECONDS", 0.2)
    office.dns.is_silent = True
    office.ask()
    office.work()
    assert office.read().evidence["mail"]["found"] == "no_answer"


def test_a_proof_is_looked_for_as_planned_until_it_is_seen(office, services, clock):
    office.ask()
    office.do(begin_proof, 1)
    office.dns.add_zone(NORMANDIE)
    office.work()
    assert office.proof().result == "none"
    assert office.proof().next_at == clock() + timedelta(minutes=10)
    clock.advance(minutes=10)
    name = proofs.misplaced_name_of(NORMANDIE)
    office.dns.put(name, "TXT", f'"{office.proof().value}"')
    office.work()
    assert office.proof().result == "misplaced"
    clock.advance(minutes=50)
    office.dns.put(proofs.name_of(NORMANDIE), "TXT", '"guichet-domain=of somebody else"')
    office.dns.put(name, "TXT")
    office.work()
    assert (office.proof().result, office.proof().found) == (
        "wrong",
        ["guichet-domain=of somebody else"],
    )
    clock.advance(hours=5)
    office.dns.put(proofs.name_of(NORMANDIE), "TXT", f'"{office.proof().value}"')
    office.work()
    seen = office.proof()
    assert (seen.result, seen.seen_at, seen.next_at) == ("right", clock(), None)


def begin_proof(session, now, _who, request):
    proofs.begin(session, now, request)


def test_a_look_between_the_planned_ones_adds_none_and_is_made_once_a_minute(office, clock):
    office.ask()
    office.do(begin_proof, 1)
    office.work()
    planned = office.proof().next_at
    assert office.do(look_again, 1) is False
    clock.advance(minutes=1)
    assert office.do(look_again, 1) is True
    office.work()
    assert (office.proof().looked_at, office.proof().next_at) == (clock(), planned)
    for hours in (1, 6, 24, 72, 80):
        clock.time = office.proof().begun_at + timedelta(hours=hours)
        office.work()
    assert office.proof().next_at is None


def test_however_often_somebody_presses_one_look_is_ordered(office, services):
    office.ask()
    office.do(begin_proof, 1)
    for _ in range(5):
        assert office.do(look_again, 1) is True
        office.do(collect_again, 1)
    office.work(5)
    asked = [name for name, kind in office.dns.asked if kind == "TXT"]
    assert asked.count(proofs.name_of(NORMANDIE)) <= 1
    with services.database.reading() as session:
        kinds = session.scalars(select(Job.kind).where(Job.done_at.is_not(None))).all()
    assert sorted(kind for kind in kinds if kind.startswith("domain")) == [
        *("domain_evidence", "domain_proof"),
    ]


def collect_again(session, now, _who, request):
    service.order_evidence(session, now, request)


def test_quotation_marks_that_were_copied_along_do_no_harm():
    value = proofs.PREFIX + "ab12"
    for text in (f'"{value}"', f"“{value}”", f"« {value} »".replace("« ", "«").replace(" »", "»")):
        assert proofs.read(value, DnsAnswer(Found.SOME, (text,)), DnsAnswer(Found.NONE)) == "right"
    other = DnsAnswer(Found.SOME, (f"{value}0",))
    assert proofs.read(value, other, DnsAnswer(Found.NONE)) == "wrong"


def look_again(session, now, _who, request):
    return proofs.look_again(session, now, request)


def test_after_180_days_a_request_ends_and_half_a_year_later_names_nobody(office, services, clock):
    asked = office.ask()
    clock.advance(days=179)
    assert steps(services, clock, "domain requests that nobody decided") == 0
    clock.advance(days=2)
    assert steps(services, clock, "domain requests that nobody decided") == 1
    assert office.read().state == "expired"
    assert steps(services, clock, "people of decided domain requests") == 0
    clock.advance(days=184)
    assert steps(services, clock, "people of decided domain requests") == 1
    (person,) = office.people()
    assert ("@" in person.address, person.organisation, person.position) == (False, "", "")
    assert JEAN not in str(vars(person))
    assert office.ask().request.number == asked.request.number + 1


def test_nothing_is_left_of_who_asked_half_a_year_after_the_decision(office, services, clock):
    said = replace(WISH, site="www.jean.example", phone="+33 2 00 11", it_contact="max@it.example")
    office.ask(f"Jean+Tag@{NORMANDIE}", wish=said)
    office.do(begin_proof, 1)
    office.do(deciding.ask_back, 1, question="Who runs it?")
    office.do(reply, 1, text=f"Write to {JEAN}.")
    office.work()
    office.do(deciding.refuse, 1, refusal=Refusal.NOT_READY, note=f"See {JEAN}")
    office.work()
    for days in (184, 400):  # mails and the journal have times of their own
        clock.advance(days=days)
        retention.clean_up(services.database, clock(), services.hashes)
    with services.database.reading() as session:
        stored = [
            str(tuple(row))
            for table in Base.metadata.sorted_tables
            for row in session.execute(table.select())
        ]
    for text in ("jean", "+33 2 00 11", "it.example", "Académie de Normandie", "Who runs it?"):
        assert [row for row in stored if text in row.lower() or text in row] == []


def test_what_was_put_off_or_taken_up_again_does_not_end_at_once(office, services, clock):
    office.ask()
    office.do(deciding.refuse, 1, refusal=Refusal.NOT_READY)
    clock.advance(days=170)
    office.do(deciding.reopen, 1)
    clock.advance(days=20)
    assert steps(services, clock, "domain requests that nobody decided") == 0
    office.do(deciding.put_off, 1, until=clock() + timedelta(days=365))
    clock.advance(days=364)
    assert steps(services, clock, "domain requests that nobody decided") == 0
    clock.advance(days=1)
    assert steps(services, clock, "domain requests that nobody decided") == 1


def test_a_domain_that_opens_in_another_way_ends_its_request(office, services, clock):
    office.ask(f"jean@sub.{NORMANDIE}")
    office.ask("jean@asso-9.example")
    begins = clock() + timedelta(days=3)
    put_rule(services, clock(), RuleKind.DOMAIN, "asso-9.example", valid_from=begins)
    put_rule(services, clock(), RuleKind.SUFFIX, NORMANDIE)
    assert steps(services, clock, "domain requests for open domains") == 1
    assert (office.read(1).state, office.read(2).state) == ("opened", "open")
    clock.advance(days=3)
    assert steps(services, clock, "domain requests for open domains") == 1
    assert steps(services, clock, "domain requests for open domains") == 0
    assert office.read(2).state == "opened"
    assert office.people(2)[0].told_at == clock()


def steps(services, clock, name):
    with services.database.transaction() as session:
        return retention.steps(clock(), services.hashes)[name](session, 100)
