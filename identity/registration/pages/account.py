"""/account/<n>: the address is proved; name, password, and the account is made on its homeserver."""

from datetime import timedelta

from flask import Response, request

from domain_rules.addresses import EmailAddress
from identity import problems
from identity.invitations import proof as invitation_proof
from identity.registration.attempts import Stands
from identity.sign_up import service as sign_up
from identity.sign_up.models import VerificationRequest
from identity.sign_up.pages.check import own_request, shown
from identity.sign_up.service import Step
from identity.web.languages import language
from identity.web.rendering import Fault, go_to, page
from identity.web.request_context import services
from identity.web.site import blueprint
from identity.web.wording import text

from . import creation as account_creation

SOON, LATER = 2, 5  # seconds until the page asks again
PATIENCE = timedelta(seconds=10)
NEXT = {Stands.TAKEN: "account_taken", Stands.AWAY: "account_waiting"}


@blueprint.get("/account/<int:n>")
def account_page(n: int) -> Response:
    """Name and password; where the server makes its own accounts, the way to it."""
    own = _own(n)
    if sign_up.step_of(own, services.now()) is not Step.CONFIRMED:
        return go_to("check_page", n=n)
    followed = account_creation.follow(services, own)
    if followed.stands is Stands.UNDER_WAY:
        return go_to("account_progress", n=n)
    if followed.stands is Stands.AGAIN:
        return _form(own, name=followed.display_name, again=True)
    return _form(own)


@blueprint.post("/account/<int:n>")
def create_account(n: int) -> Response:
    """Claim the account, judge the password, hand both over to the worker."""
    own = _own(n)
    if sign_up.step_of(own, services.now()) is not Step.CONFIRMED:
        return go_to("check_page", n=n)
    name, password = request.form.get("display_name", ""), request.form.get("password", "")
    if request.form.get("password_again", password) != password:
        return _form(own, Fault("password_again", text("account.fault.again")), name=name)
    try:
        return _ask(own, name, password)
    except problems.WrongDisplayName:
        return _form(own, Fault("display_name", text("account.fault.name")), name=name)
    except problems.WeakPassword as weak:
        return _form(own, Fault("password", text(f"account.fault.{weak.reason}")), name=name)


def _ask(own: VerificationRequest, name: str, password: str) -> Response:
    try:
        account_creation.ask(
            services, own.id, display_name=name, password=password, language=language()
        )
    except problems.ServerAway:
        return go_to("account_waiting", n=own.ordinal)
    except problems.AddressTaken:
        return go_to("account_taken", n=own.ordinal)
    return go_to("account_progress", n=own.ordinal)


@blueprint.get("/account/<int:n>/progress")
def account_progress(n: int) -> Response:
    """The account is being made: this page asks for itself again until that has ended, one way or another."""
    own = _own(n)
    if sign_up.step_of(own, services.now()) is not Step.CONFIRMED:
        return go_to("check_page", n=n)
    followed = account_creation.follow(services, own)
    if followed.stands is Stands.NAME_REFUSED:
        raise problems.NameRefused
    if followed.stands is not Stands.UNDER_WAY:
        return go_to(NEXT.get(followed.stands, "account_page"), n=n)
    is_still = "still" in request.args
    answer = page(
        "account_progress",
        n=n,
        proposal=account_creation.propose(services, own),
        is_still=is_still,
    )
    if not is_still:
        answer.headers["Refresh"] = str(SOON if followed.waited < PATIENCE else LATER)
    return answer


@blueprint.get("/account/<int:n>/waiting")
def account_waiting(n: int) -> Response:
    """The homeserver did not answer: the proof is kept, a mail will say when to come back."""
    own = _own(n)
    if sign_up.step_of(own, services.now()) is not Step.CONFIRMED:
        return go_to("check_page", n=n)
    return page("account_waiting", n=n, proposal=account_creation.propose(services, own))


@blueprint.get("/account/<int:n>/taken")
def account_taken(n: int) -> Response:
    """The person has an account already: that is told here, for the mailbox was proved."""
    own = _own(n)
    if sign_up.step_of(own, services.now()) is not Step.CONFIRMED:
        return go_to("check_page", n=n)
    proposal = account_creation.propose(services, own)
    with services.database.reading() as session:
        invited = invitation_proof.is_invited(session, own.address)
    return page(
        "account_taken",
        address=shown(own.address),
        client_url=proposal.client_url,
        invited=invited,
    )


@blueprint.get("/account/<int:n>/done")
def account_done(n: int) -> Response:
    """Welcome: who you are there, how to sign in, what to keep safe."""
    own = _own(n)
    step = sign_up.step_of(own, services.now())
    created = account_creation.made(services, own) if step is Step.USED else None
    if created is None:
        if step is Step.USED:  # made elsewhere, or gone since
            return page("link_used", same=False, n=n, token="", address=shown(own.address))
        return go_to("check_page", n=n)
    return page(
        "account_done", address=shown(own.address), created=created, client_url=created.client_url
    )


def _own(n: int) -> VerificationRequest:
    with services.database.reading() as session:
        return own_request(session, n)


def _form(
    own: VerificationRequest, *faults: Fault, name: str | None = None, again: bool = False
) -> Response:
    proposal = account_creation.propose(services, own)
    address = EmailAddress.stored(own.address)
    return page(
        "account" if proposal.asks_password else "account_elsewhere",
        faults=faults,
        n=own.ordinal,
        address=address,
        proposal=proposal,
        display_name=proposal.display_name if name is None else name,
        again=again,
        client_url=proposal.client_url,
    )
