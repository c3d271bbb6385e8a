"""/my-domain/<token>: what became of a request, for the one who made it.

The token alone shows nothing: the browser has proved the mailbox, or the code of a new mail is typed.
"""

from flask import Response, request
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.domain_requests import models, proofs, service, views
from identity.domain_requests.models import PENDING, DomainRequest, DomainRequester, RequestState
from identity.problems import NoSuchRequest
from identity.web.rendering import Fault, go_to, render_page
from identity.web.request_context import client_ip, services
from identity.web.request_record import about_address
from identity.web.site import blueprint
from identity.web.wording import text

from . import browser, my_domain

LOOKED, TOO_SOON, ANSWERED = "looked", "too_soon", "answered"
NOTICES = {LOOKED, TOO_SOON, ANSWERED}


@blueprint.get("/r/<mailed:token>")
def my_domain_link(token: str) -> Response:
    """The mailed link: short, so that no mail program cuts it. Raises NoSuchRequest."""
    with services.database.reading() as database:
        _, requester = _required(database, token)
    return go_to("my_domain_status", token=services.tokens.link(requester.id, "domain"))


@blueprint.get("/my-domain/<token>")
def my_domain_status(token: str) -> Response:
    """The status, or a button for a code in a browser that has not proved the mailbox."""
    with services.database.reading() as database:
        asked, requester = _required(database, token)
        if not _is_own(database, requester):
            return _code_wanted(token, requester)
        told = views.describe_for_requester(database, asked, requester)
    return _status_page(token, told)


@blueprint.post("/my-domain/<token>/code")
def my_domain_send_code(token: str) -> Response:
    """Mail a code to the mailbox of this request, wherever the link is opened."""
    with services.database.reading() as database:
        _, requester = _required(database, token)
    address = EmailAddress.stored(requester.address)
    services.limits.spend_network(client_ip())
    my_domain.order_code(address)
    return go_to("my_domain_code")


@blueprint.post("/my-domain/<token>/proof")
def my_domain_proof(token: str) -> Response:
    """Make the record to publish, or look for it now."""
    with services.database.transaction() as database:
        asked, requester = _own(database, token)
        is_first = models.find_proof(database, asked.id) is None
        waits = asked.state in PENDING and requester.withdrawn_at is None
        looks = waits and proofs.look_again(database, services.now(), asked)
    notice = None if is_first else LOOKED if looks else TOO_SOON
    return go_to("my_domain_status", token=token, notice=notice)


@blueprint.post("/my-domain/<token>/answer")
def my_domain_reply(token: str) -> Response:
    """Answer the question of operators."""
    said = service.on_lines(request.form.get("answer", ""))
    with services.database.transaction() as database:
        asked, requester = _own(database, token)
        if said and len(said) <= service.MAX_ANSWER:
            service.answer(database, services.now(), asked, requester, said)
            return go_to("my_domain_status", token=token, notice=ANSWERED)
        told = views.describe_for_requester(database, asked, requester)
    fault = text("my_domain.fault.answer", n=service.MAX_ANSWER)
    return _status_page(token, told, [Fault("answer", fault)])


@blueprint.post("/my-domain/<token>/withdraw")
def my_domain_withdraw(token: str) -> Response:
    """Take the request back."""
    with services.database.transaction() as database:
        asked, requester = _own(database, token)
        service.withdraw(database, services.now(), asked, requester)
    return go_to("my_domain_status", token=token)


def _status_page(
    token: str, told: dict[str, object], faults: list[Fault] | None = None
) -> Response:
    notice = request.args.get("notice")
    steps = {RequestState.OPEN: 1, RequestState.ASKED: 2, RequestState.ACCEPTED: 2}
    step = steps.get(RequestState(str(told["state"])), 3)
    if step == 1 and told["is_examined"]:
        step = 2
    return render_page(
        "my_domain_status",
        faults=faults or (),
        token=token,
        told=told,
        at_step=step,
        is_pending=told["state"] in PENDING,
        notice=notice if notice in NOTICES else None,
    )


def _code_wanted(token: str, requester: DomainRequester) -> Response:
    masked = EmailAddress.stored(requester.address).masked
    return render_page("my_domain_code_wanted", token=token, address=masked)


def _required(database: Session, token: str) -> tuple[DomainRequest, DomainRequester]:
    """The request of a link. Raises NoSuchRequest, also once its addresses were forgotten."""
    requester_id = services.tokens.read_link(token, "domain")
    requester = models.find_requester(database, requester_id) if requester_id else None
    if requester is None or "@" not in requester.address:
        raise NoSuchRequest
    about_address(requester.address)
    return database.get_one(DomainRequest, requester.request_id), requester


def _own(database: Session, token: str) -> tuple[DomainRequest, DomainRequester]:
    """The same, in a browser that has proved its mailbox. Raises NoSuchRequest."""
    asked, requester = _required(database, token)
    if not _is_own(database, requester):
        raise NoSuchRequest
    return asked, requester


def _is_own(database: Session, requester: DomainRequester) -> bool:
    found = browser.signed_in(database)
    return found is not None and (
        EmailAddress.stored(found.address).mailbox_key() == requester.mailbox
    )
