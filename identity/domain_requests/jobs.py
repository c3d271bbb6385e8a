"""What the worker does for requests: it asks the DNS, and tells people once their domain is open."""

from functools import partial
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.core.dns_answers import DnsAnswer
from identity.core.dns_client import Budget
from identity.core.job_outcomes import RecordOutcome, record_nothing
from identity.core.outbox import Job
from identity.routing import models as rules_in_database
from identity.rule_changes import change_models
from identity.services import WorkerServices

from . import ending, evidence, models, proofs
from .evidence import MailFacts
from .models import PENDING, DomainRequest

SECONDS: Final = 40.0  # for all questions of one job, within its lease
MOST_ASKED: Final = 1_000  # other requests that a name is compared with


def collect_evidence(services: WorkerServices, job: Job) -> RecordOutcome:
    """Ask the DNS about the domain and about the most similar open ones; compare its name."""
    with services.database.reading() as session:
        request = models.find_by_id(session, job.subject_id)
        if request is None:
            return record_nothing
        domain = request.domain
        rules = rules_in_database.load_rule_set(session, at=services.now())
        asked = session.scalars(
            select(DomainRequest.domain)
            .where(DomainRequest.state.in_(PENDING), DomainRequest.id != request.id)
            .limit(MOST_ASKED)
        ).all()
    budget = Budget(SECONDS)
    facts = _mail_facts(services, domain, budget)
    near = evidence.nearest(domain, rules)
    compared = [(rule, _mail_facts(services, rule.pattern, budget, spf=False)) for rule in near]
    alike = evidence.find_look_alikes(domain, rules, asked)
    found = evidence.as_json(domain, facts, compared, alike)
    return partial(_store_evidence, services, job, found)


def look_for_proof(services: WorkerServices, job: Job) -> RecordOutcome:
    """Ask the name servers of the zone for the TXT record."""
    with services.database.reading() as session:
        request = models.find_by_id(session, job.subject_id)
        if request is None or models.find_proof(session, request.id) is None:
            return record_nothing
        domain = request.domain
    budget = Budget(SECONDS)
    answer = services.dns.texts_at_zone(proofs.name_of(domain), budget)
    misplaced = services.dns.texts_at_zone(proofs.misplaced_name_of(domain), budget)
    return partial(_store_proof, services, job, answer, misplaced)


def settle_applied(services: WorkerServices, job: Job) -> RecordOutcome:
    """A change of rules is in force: the requests that it answers end, and people are mailed."""
    return partial(_settle, services, job)


def _mail_facts(
    services: WorkerServices, domain: str, budget: Budget, *, spf: bool = True
) -> MailFacts:
    servers = services.dns.mail_servers(domain, budget)
    texts = services.dns.texts(domain, budget) if spf else DnsAnswer(servers[0])
    return evidence.read_mail_facts(servers, texts)


def _store_evidence(
    services: WorkerServices, job: Job, found: dict[str, object], session: Session
) -> None:
    request = session.get(DomainRequest, job.subject_id, with_for_update=True)
    if request is None:
        return
    request.evidence, request.evidence_at = found, services.now()
    near = evidence.proposal_in(found)
    request.near = near["domain"] if near else ""
    request.near_homeserver = (near["homeserver"] or "") if near else ""
    request.near_organisation = near["organisation"] if near else ""


def _store_proof(
    services: WorkerServices, job: Job, answer: DnsAnswer, misplaced: DnsAnswer, session: Session
) -> None:
    request = session.get(DomainRequest, job.subject_id)
    if request is not None:
        proofs.record(session, services.now(), request, answer, misplaced)


def _settle(services: WorkerServices, job: Job, session: Session) -> None:
    change = change_models.find_by_id(session, job.subject_id)
    if change is not None:
        ending.settle_applied(session, services.now(), change)
