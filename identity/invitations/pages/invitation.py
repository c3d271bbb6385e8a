"""/i/<token>: somebody invited the address this link was mailed to. The link opens nothing, the code does."""

from http import HTTPStatus

from flask import Response, request
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import AccountClass
from identity.invitations import inviters
from identity.invitations import proof as invitation_proof
from identity.invitations import service as invitations
from identity.invitations.models import OPEN, Delivery, State, ThirdPartyInvitation
from identity.invitations.rooms_waiting import TAKEN_UP
from identity.sign_up import service as sign_up
from identity.sign_up.models import VerificationRequest
from identity.sign_up.pages import browser
from identity.web.languages import language
from identity.web.rendering import Fault, go_to, page
from identity.web.request_context import services
from identity.web.site import blueprint

from . import proof as mailbox_proof
from .other_inviters import Other, others
from .proof import Proof


@blueprint.get("/i/<mailed:token>")
def invitation_page(token: str) -> Response:
    """Who invites whom, until when, and a field for the code. Looking changes nothing."""
    return browser.introduce(_invitation(token))


@blueprint.post("/i/<mailed:token>")
def accept(token: str) -> Response:
    """The code of the mail opens the account's page in this browser; or a code is to be mailed anew."""
    known = browser.browser_id() or services.tokens.new_browser()
    opened, way = None, ""
    with services.database.transaction() as session:
        found = mailbox_proof.invited(session, token, "invitation")
        if found and (again := _same_proof(session, found)):
            way = _way(session, found)
            return browser.mark(go_to(way, n=again.request.ordinal), again.browser_id)
        if found is None or not _can_be_accepted(session, found):
            return go_to("invitation_page", token=token)
        if "send" in request.form:
            notice = mailbox_proof.send(session, found, known)
            return browser.mark(go_to("invitation_page", token=token, notice=notice), known)
        given = mailbox_proof.is_given(session, found)
        faults = [] if given else mailbox_proof.try_code(session, found, known, confirms=True)
        if not faults:
            opened = _open(session, found, known)
            if not given:
                known = browser.renew(session, known, opened.id)
                sign_up.tell_used(session, services.now(), opened)
            way = _way(session, found)
    if opened is None:
        return browser.mark(_invitation(token, faults), known)
    return browser.mark(go_to(way, n=opened.ordinal), known)


def _same_proof(session: Session, found: ThirdPartyInvitation) -> browser.Again | None:
    """The form was sent twice: what came of it the first time."""
    return browser.again(
        session,
        lambda it: it.address == found.address and browser.has_just_typed(session, it),
    )


def _way(session: Session, found: ThirdPartyInvitation) -> str:
    return "account_taken" if sign_up.has_account(session, found.address) else "account_page"


def _open(session: Session, found: ThirdPartyInvitation, known: str) -> VerificationRequest:
    return invitation_proof.open_request(
        session,
        services.rules.current(),
        services.now(),
        found,
        browser=services.tokens.browser_hash(known),
        language=language(),
        device=browser.device(),
    )


def _invitation(token: str, faults: list[Fault] | None = None) -> Response:
    with services.database.reading() as session:
        found = mailbox_proof.invited(session, token, "invitation")
        if found is None:
            return page("link_broken", status=HTTPStatus.NOT_FOUND)
        if _can_be_accepted(session, found):
            proof = mailbox_proof.proof_form_of(session, found)
            who = inviters.inviter(session, services.rules.current(), found.sender)
            return _open_page(token, found, proof, who, also=others(session, found), faults=faults)
        return _over(found, others(session, found))


def _over(found: ThirdPartyInvitation, also: list[Other]) -> Response:
    """What became of it, and nothing more than its mail has said."""
    state = invitations.state_of(found, services.now())
    if state is State.EXPIRED:
        return page("invitation_over", ended_at=found.ended_at or found.expires_at, others=also)
    if state is State.DECLINED:
        return page("invitation_declined", unknown=_unknown(found), others=also)
    if state in TAKEN_UP or (state in OPEN and found.delivery != Delivery.WAITING):
        return page("invitation_taken", others=also)
    return page("invitation_revoked", others=also)


def _can_be_accepted(session: Session, found: ThirdPartyInvitation) -> bool:
    """It stands, and who sent it may still invite."""
    address = EmailAddress.stored(found.address)
    is_waiting = found.delivery == Delivery.WAITING
    return (
        is_waiting
        and invitations.is_open(found, services.now())
        and invitations.may_register(session, services.rules.current(), services.now(), address)
    )


def _open_page(
    token: str,
    found: ThirdPartyInvitation,
    proof: Proof,
    who: tuple[str | None, str | None],
    *,
    also: list[Other],
    faults: list[Fault] | None,
) -> Response:
    name, organisation = who
    decision = services.rules.current().decide(EmailAddress.stored(found.address))
    return page(
        "invitation",
        faults=faults or (),
        token=token,
        unknown=_unknown(found),
        others=also,
        proof=proof,
        notice=mailbox_proof.notice(),
        masked=mailbox_proof.masked(found),
        inviter=name or found.sender,
        organisation=organisation if name else None,
        expires_at=found.expires_at,
        for_guest=decision.account_class is not AccountClass.AGENT,
        access_ends_at=services.now() + invitations.GUEST_ACCESS,
    )


def _unknown(found: ThirdPartyInvitation) -> str:
    """The token of "I don't know this person"."""
    return services.tokens.link(found.id, "not_me")
