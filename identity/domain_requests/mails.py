"""Writes the mails about requests for domains: the code, the receipt, a question, the decision."""

from datetime import datetime
from email.message import EmailMessage
from typing import Any

from sqlalchemy.orm import Session

from domain_rules.display import display_domain
from identity.accounts import coded_mails
from identity.core.one_time_codes import service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.mail.composing import Frame, compose
from identity.mail.kinds import Fate, MailKind, MailTurn, NoLongerWanted
from identity.mail.models import Mail

from . import asking, in_force, models, views
from .models import DomainRequest, DomainRequester, RequestState

TOLD = (RequestState.OPENED, RequestState.REDIRECTED, RequestState.REFUSED)


def decide_code(turn: MailTurn) -> Fate:
    """A code is sent while a browser waits for it."""

    def is_wanted() -> bool:
        return asking.is_waited_for(turn.session, turn.now, turn.mail.address)

    return coded_mails.decide(turn, Purpose.DOMAIN, is_wanted=is_wanted)


def compose_code(turn: MailTurn, frame: Frame) -> EmailMessage:
    """The code that proves the mailbox."""
    session, mail, now = turn.session, turn.mail, turn.now
    asked = asking.find(session, mail.subject_id)
    if asked is None:
        raise NoLongerWanted
    code = one_time_codes.issue_for_mail(session, turn.tokens, now, Purpose.DOMAIN, mail.address)
    others = asking.find_elsewhere(session, now, asked)
    return compose(
        "domain_code",
        frame,
        domain=display_domain(asked.address.rpartition("@")[2]),
        code=one_time_codes.digits_of(turn.tokens, code),
        link=f"{frame.public_url}/v/{turn.tokens.link(asked.id, 'domain_code')}",
        requested_at=mail.created_at,
        code_expires_at=code.alive_until,
        device=asked.device,
        others=tuple((each.device, each.created_at) for each in others),
    )


def compose_request(turn: MailTurn, frame: Frame) -> EmailMessage:
    """The request is stored: its number, and where its status stands."""
    request, requester = _subject(turn)
    return compose(
        "domain_request",
        frame,
        days=turn.settings.domain_request_days,
        requested_at=requester.created_at,
        **_facts(turn, frame, request, requester),
    )


def compose_question(turn: MailTurn, frame: Frame) -> EmailMessage:
    """The question of operators, unless it was answered meanwhile."""
    request, requester = _subject(turn)
    if request.state != RequestState.ASKED:
        raise NoLongerWanted
    asked = [each for each in models.find_messages(turn.session, request.id) if each.author]
    return compose(
        "domain_question",
        frame,
        question=asked[-1].text if asked else "",
        **_facts(turn, frame, request, requester),
    )


def compose_decision(turn: MailTurn, frame: Frame) -> EmailMessage:
    """What became of the request: opened, refused, or another domain is used."""
    request, requester = _subject(turn)
    if request.state not in TOLD:
        raise NoLongerWanted
    rule = in_force.find_rules(turn.session, turn.now, [request.domain]).get(request.domain)
    if request.state != RequestState.REFUSED and in_force.state_by(rule) != request.state:
        raise NoLongerWanted  # the rules were changed again meanwhile, as by a roll-back
    return compose(
        "domain_decision",
        frame,
        **views.decision_facts(
            request,
            accepted=rule.sibling_of or "" if rule else "",
            organisation=rule.organisation if rule else "",
        ),
        **_facts(turn, frame, request, requester),
    )


def _subject(turn: MailTurn) -> tuple[DomainRequest, DomainRequester]:
    requester = models.find_requester(turn.session, turn.mail.subject_id)
    if requester is None or requester.withdrawn_at is not None or "@" not in requester.address:
        raise NoLongerWanted
    return turn.session.get_one(DomainRequest, requester.request_id), requester


def _facts(
    turn: MailTurn, frame: Frame, request: DomainRequest, requester: DomainRequester
) -> dict[str, Any]:
    token = turn.tokens.link(requester.id, "domain")
    return {
        "ref": request.label,
        "domain": display_domain(request.domain),
        "link": f"{frame.public_url}/r/{token}",
    }


def tell_late(session: Session, mail: Mail, was: datetime) -> None:
    """The pages of those who wait for a code say when the mail leaves."""
    asking.record_moved_mail(session, mail.address, was=was, is_now=mail.goes_at)


DOMAIN_CODE = MailKind(compose=compose_code, decide=decide_code, on_late=tell_late)
DOMAIN_REQUEST = MailKind(compose=compose_request)
DOMAIN_QUESTION = MailKind(compose=compose_question)
DOMAIN_DECISION = MailKind(compose=compose_decision)
