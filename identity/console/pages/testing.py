"""/admin/test: what the rules say of addresses, now, then, or under a change; and what people read.

What is tested stands in the body of the form: no address comes into a URL.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Response, request

from domain_rules.address_faults import AddressFault, InvalidAddress
from domain_rules.addresses import EmailAddress, parse_domain
from domain_rules.advice import AddressAdvice, AdviceState, SharedMailboxes, advise
from domain_rules.display import display_domain
from domain_rules.rules import DecisionReason, Explanation, RuleSet
from identity.console import trial_mails
from identity.console.sample_mails import SAMPLES
from identity.operators import models as operators
from identity.operators.roles import Deed
from identity.problems import (
    NoSuchChange,
    NoSuchOperator,
    NoSuchRevision,
    UnknownHomeserver,
    WrongParameter,
)
from identity.routing import address_lists, never_agent
from identity.rule_changes import rule_search
from identity.rule_changes.as_of import NOW, AsOf, read_as_of, rules_as_of
from identity.web import address_faults
from identity.web.rendering import Fault
from identity.web.request_context import services
from identity.web.wording import clock, text

from .frame import form, go_to, say, screen, show
from .operator_session import actor, operator

MAX_LINES = 1_000
SOMEBODY = "prenom.nom"  # before the @ where only a domain is tested
OFFERED = 5  # revisions

Rules = dict[AsOf, RuleSet]


@dataclass(frozen=True)
class Answer:
    """What one rule set says of an address."""

    moment: AsOf
    explanation: Explanation
    advice: AddressAdvice


@dataclass(frozen=True)
class Line:
    """One line that was typed: the address, or why it is none, and an answer for each rule set."""

    typed: str
    address: EmailAddress | None
    is_domain: bool
    fault: str
    answers: tuple[Answer, ...]

    @property
    def is_other(self) -> bool:
        """Whether two answers differ in what becomes of the person."""
        told = {
            (decision.homeserver, decision.account_class, each.advice.state, each.advice.sibling)
            for each in self.answers
            for decision in [each.explanation.decision]
        }
        return len(told) > 1


@dataclass(frozen=True)
class Sentence:
    """What a person reads.

    `number`: what documents about these pages call it, "" if they do not; `text_id`: in our files.
    """

    number: str
    text_id: str
    words: str


@screen("/test", Deed.TEST_ADDRESS)
def test() -> Response:
    """The empty form."""
    return _page()


@form("/test", Deed.TEST_ADDRESS)
def run_test() -> Response:
    """Decide each line by the rule sets that are asked for."""
    lines = [line.strip() for line in request.form.get("addresses", "").splitlines()]
    lines = [line for line in lines if line]
    if not lines:
        return _page(faults=[Fault("addresses", text("console.test.fault.empty"))])
    if len(lines) > MAX_LINES:
        return _page(faults=[Fault("addresses", text("console.test.fault.many"))])
    faults: list[Fault] = []
    found: Rules = {}
    for field in ("as_of", "beside"):
        _add_rules(found, field, faults)
    if faults:
        return _page(faults=faults)
    with services.database.reading() as session:
        shared = address_lists.shared_mailboxes(session)
    return _page(lines=[_decide(line, found, shared) for line in lines], moments=list(found))


@form("/test/mail", Deed.TEST_ADDRESS)
def send_test_mail() -> Response:
    """Send the operator a mail as people get it, to their own mailbox; it says [TEST]."""
    with services.database.transaction() as session:
        found = operators.find(session, operator().operator_id)
        if found is None:
            raise NoSuchOperator
        name = request.form.get("mail", "")
        free_at = trial_mails.order(session, services.now(), actor(), found, name)
    if free_at is not None:
        say("console.test.mail_too_many", time=clock(free_at))
    else:
        say("console.test.mail_ordered")
    return go_to("test")


def _add_rules(found: Rules, field: str, faults: list[Fault]) -> None:
    """The rule set that a field names; the second field may be empty."""
    typed = request.form.get(field, "")
    if field == "beside" and not typed.strip():
        return
    try:
        moment = read_as_of(typed)
        found[moment] = services.rules.current() if moment.is_now else _load(moment)
    except (WrongParameter, NoSuchRevision, NoSuchChange):
        faults.append(Fault(field, text("console.test.fault.as_of")))
    except UnknownHomeserver as problem:
        faults.append(Fault(field, str(problem)))


def _load(moment: AsOf) -> RuleSet:
    with services.database.reading() as session:
        return rules_as_of(session, services.now(), moment, operator().scope)


def _decide(typed: str, found: Rules, shared: SharedMailboxes) -> Line:
    is_domain = typed.startswith("@") or "@" not in typed
    try:
        whole = f"{SOMEBODY}@{parse_domain(typed)}" if is_domain else typed
        address = EmailAddress.parse(whole)
    except InvalidAddress as error:
        return Line(typed, None, is_domain, text(address_faults.text_id(error.reason)), ())
    keep = never_agent.has_mailboxes(address.ascii_domain)
    answers = (
        Answer(
            moment,
            rules.explain(address),
            advise(rules, address, keep_typed=keep, shared_mailboxes=shared),
        )
        for moment, rules in found.items()
    )
    return Line(typed, address, is_domain, "", tuple(answers))


def _sentence_for(advice: AddressAdvice) -> Sentence:
    """What the person reads first, in the operator's language."""
    address = advice.address
    if advice.decision.reason is DecisionReason.LOCAL_PART:
        return _sentence("", address_faults.text_id(AddressFault.NOT_AT_THIS_DOMAIN))
    if advice.suggestion:
        return _sentence("M03", "typo.question", suggestion=advice.suggestion.display)
    if advice.sibling:
        accepted = display_domain(advice.sibling)
        return _sentence("M04", "sibling.here", accepted=accepted, typed=address.display_domain)
    if advice.state is AdviceState.SHARED_MAILBOX:
        return _sentence("M07", "shared.lead", address=address.display)
    if advice.state is AdviceState.NOT_OPEN:
        return _sentence("M05", "not_open.lead", domain=address.display_domain)
    return _sentence("M08", "check.h1")


def _sentence(number: str, text_id: str, **values: str) -> Sentence:
    return Sentence(number, text_id, text(text_id, **values))


def _has_mailbox() -> bool:
    with services.database.reading() as session:
        found = operators.find(session, operator().operator_id)
    return found is not None and found.mail is not None


def _page(
    *,
    faults: Sequence[Fault] = (),
    lines: Sequence[Line] = (),
    moments: Sequence[AsOf] = (NOW,),
) -> Response:
    with services.database.reading() as session:
        revisions = rule_search.find_revisions(session, limit=OFFERED).items
    return show(
        "test",
        faults=faults,
        lines=lines,
        moments=moments,
        revisions=[each.number for each in revisions],
        most=MAX_LINES,
        sentence_for=_sentence_for,
        mails=list(SAMPLES) if _has_mailbox() else [],
    )
