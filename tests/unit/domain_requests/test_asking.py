"""Who asks joins the one request of their domain, within limits; the worker collects the evidence."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from identity.domain_requests import limits, proofs, service
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
    assert (office.read().people, len(office.people())) == (4, 3)
    assert office.ask(f"ana@{NORMANDIE}").requester is not None  # who has a row keeps it


def test_a_request_ends_with_the_last_who_withdraws(office):
    office.ask()
    lea = office.ask(f"lea@{NORMANDIE}")
    office.do(withdraw_own, 1)
    assert (office.read().state, office.read().people) == ("open", 1)
    office.do(withdraw_own, 1, mailbox=lea.requester.mailbox)
    assert office.read().state == "withdrawn"
    with pytest.raises(DomainRequestDecided):
        office.do(withdraw_own, 1)


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


def steps(services, clock, name):
    with services.database.transaction() as session:
        return retention.steps(clock(), services.hashes)[name](session, 100)
