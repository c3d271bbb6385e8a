"""/i/<token>: the page of an invitation. Its link opens nothing; the mailed code does."""

from http import HTTPStatus

from flask import Response, request
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rule import AccountClass
from identity.accounts import known_people
from identity.invitations import (
    inviters,
    proof as invitation_proof,
    record as invitation_record,
    service as invitations,
    states as invitation_states,
)
from identity.invitations.models import OPEN, TAKEN_UP, Delivery, State, ThirdPartyInvitation
from identity.mail.quota import Template
from identity.sign_up import service as sign_up
from identity.sign_up.models import VerificationRequest
from identity.sign_up.pages import browser
from identity.web import browser_cookie
from identity.web.rendering import Fault, go_to, render_page
from identity.web.request_context import services
from identity.web.site import blueprint
from identity.web.wording import language

from . import proof as mailbox_proof
from .other_inviters import OtherInviter, find_others
from .proof import ProofForm


@blueprint.get("/i/<mailed:token>")
def invitation_page(token: str) -> Response:
    """Who invites, until when, and a field for the code. Viewing it changes nothing."""
    return browser_cookie.introduce(_page(token))


@blueprint.post("/i/<mailed:token>")
def accept(token: str) -> Response:
    """A right code leads on to the account's page in this browser; or a new code is mailed."""
    browser_id = browser_cookie.browser_id() or services.tokens.new_browser()
    opened, endpoint = None, ""
    with services.database.transaction() as session:
        found = mailbox_proof.find_invitation(session, token, "invitation")
        if found and (again := _same_proof(session, found)):
            endpoint = _next_page(session, found)
            return browser_cookie.set_cookie(
                go_to(endpoint, n=again.request.ordinal), again.browser_id
            )
        if found is None or not _can_be_accepted(session, found):
            return go_to("invitation_page", token=token)
        if "send" in request.form:
            page = "invitation_page"
            return mailbox_proof.send_code(session, found, browser_id, page=page, token=token)
        given = mailbox_proof.is_given(session, found)
        faults = [] if given else mailbox_proof.try_code(session, found, browser_id, confirms=True)
        if not faults:
            opened = _open(session, found, browser_id)
            if not given:
                browser_id = browser.renew(session, browser_id, opened.id)
                sign_up.order_mail(session, services.now(), opened, Template.CODE_USED)
            endpoint = _next_page(session, found)
    if opened is None:
        return browser_cookie.set_cookie(_page(token, faults), browser_id)
    return browser_cookie.set_cookie(go_to(endpoint, n=opened.ordinal), browser_id)


def _same_proof(session: Session, found: ThirdPartyInvitation) -> browser.RepeatedForm | None:
    """The result of the first submission, if the form was sent twice."""
    return browser.find_repeated(
        session,
        lambda it: it.address == found.address and browser.has_just_typed(session, it),
    )


def _next_page(session: Session, found: ThirdPartyInvitation) -> str:
    return "account_taken" if known_people.has_account(session, found.address) else "account_page"


def _open(session: Session, found: ThirdPartyInvitation, browser_id: str) -> VerificationRequest:
    return invitation_proof.open_request(
        session,
        services.rules.current(),
        services.now(),
        found,
        browser=services.tokens.browser_hash(browser_id),
        language=language(),
        device=browser_cookie.device(),
    )


def _page(token: str, faults: list[Fault] | None = None) -> Response:
    with services.database.reading() as session:
        found = mailbox_proof.find_invitation(session, token, "invitation")
        if found is None:
            return render_page("link_broken", status=HTTPStatus.NOT_FOUND)
        if _can_be_accepted(session, found):
            proof = mailbox_proof.proof_form_of(session, found)
            who = inviters.name_and_organisation_of(session, services.rules.current(), found.sender)
            return _open_page(
                token, found, proof, who, also=find_others(session, found), faults=faults
            )
        return _ended_page(found, find_others(session, found))


def _ended_page(found: ThirdPartyInvitation, also: list[OtherInviter]) -> Response:
    """What happened to it, and nothing beyond what its mail said."""
    state = invitation_states.state_of(found, services.now())
    if state is State.EXPIRED:
        return render_page(
            "invitation_over", ended_at=found.ended_at or found.expires_at, others=also
        )
    if state is State.DECLINED:
        return render_page("invitation_declined", unknown=_unknown(found), others=also)
    if state in TAKEN_UP or (state in OPEN and found.delivery != Delivery.WAITING):
        return render_page("invitation_taken", others=also)
    return render_page("invitation_revoked", others=also)


def _can_be_accepted(session: Session, found: ThirdPartyInvitation) -> bool:
    """Whether it is open, and its sender may still invite."""
    address = EmailAddress.stored(found.address)
    is_waiting = found.delivery == Delivery.WAITING
    return (
        is_waiting
        and invitation_states.is_open(found, services.now())
        and invitations.may_register(session, services.rules.current(), services.now(), address)
    )


def _open_page(
    token: str,
    found: ThirdPartyInvitation,
    proof: ProofForm,
    who: tuple[str | None, str | None],
    *,
    also: list[OtherInviter],
    faults: list[Fault] | None,
) -> Response:
    name, organisation = who
    decision = services.rules.current().decide(EmailAddress.stored(found.address))
    return render_page(
        "invitation",
        faults=faults or (),
        token=token,
        unknown=_unknown(found),
        others=also,
        proof=proof,
        notice=mailbox_proof.notice_from_query(),
        masked=invitation_record.masked_address(found),
        inviter=name or found.sender,
        organisation=organisation if name else None,
        expires_at=found.expires_at,
        for_guest=decision.account_class is not AccountClass.AGENT,
        access_ends_at=services.now() + invitations.GUEST_ACCESS,
    )


def _unknown(found: ThirdPartyInvitation) -> str:
    """The token of the link "I don't know this person"."""
    return services.tokens.link(found.id, "not_me")
