"""/account/<n>: the pages on which an account is created for a verified address."""

from datetime import timedelta

from flask import Response, abort, request
from markupsafe import Markup

from domain_rules.addresses import EmailAddress
from identity import problems
from identity.core import tracing
from identity.homeservers import standing as homeserver_standing
from identity.invitations import proof as invitation_proof
from identity.registration.attempts import AttemptStatus
from identity.sign_up import service as sign_up, visibility
from identity.sign_up.models import VerificationRequest
from identity.sign_up.visibility import Step
from identity.web import browser_cookie
from identity.web.pictures import qr_code
from identity.web.rendering import Fault, go_to, render_page
from identity.web.request_context import services
from identity.web.request_record import about_address
from identity.web.site import blueprint
from identity.web.wording import language, prefer_language, text

from . import creation as account_creation

SOON, LATER = 2, 5  # seconds until the page reloads itself
PATIENCE = timedelta(seconds=10)  # how long it reloads every SOON seconds
NEXT = {AttemptStatus.TAKEN: "account_taken", AttemptStatus.AWAY: "account_waiting"}


@blueprint.get("/account/<int:n>")
def account_page(n: int) -> Response:
    """The form for name and password; or a link, if the homeserver creates its accounts itself."""
    own = _confirmed(n)
    progress = account_creation.find_progress(services, own)
    if progress.status is AttemptStatus.UNDER_WAY:
        return go_to("account_progress", n=n)
    if progress.status is AttemptStatus.AGAIN:
        return _form(own, name=progress.display_name, again=True)
    return _form(own)


@blueprint.post("/account/<int:n>")
def create_account(n: int) -> Response:
    """Claim the account, judge the password and hand both over to the worker."""
    own = _confirmed(n)
    name, password = request.form.get("display_name", ""), request.form.get("password", "")
    if request.form.get("password_again", password) != password:
        return _form(own, Fault("password_again", text("account.fault.again")), name=name)
    try:
        return _request_account(own, name, password)
    except problems.WrongDisplayName:
        return _form(own, Fault("display_name", text("account.fault.name")), name=name)
    except problems.WeakPassword as weak:
        return _form(own, Fault("password", text(f"account.fault.{weak.reason}")), name=name)


def _request_account(own: VerificationRequest, name: str, password: str) -> Response:
    try:
        account_creation.request_account(
            services, own.id, display_name=name, password=password, language=language()
        )
    except problems.ServerAway:
        return go_to("account_waiting", n=own.ordinal)
    except problems.AddressTaken:
        return go_to("account_taken", n=own.ordinal)
    return go_to("account_progress", n=own.ordinal)


@blueprint.get("/account/<int:n>/progress")
def account_progress(n: int) -> Response:
    """The page shown while the account is created; it reloads itself until that has ended."""
    own = _confirmed(n)
    progress = account_creation.find_progress(services, own)
    if progress.status is AttemptStatus.NAME_REFUSED:
        raise problems.NameRefused
    if progress.status is not AttemptStatus.UNDER_WAY:
        return go_to(NEXT.get(progress.status, "account_page"), n=n)
    is_still = "still" in request.args
    answer = render_page(
        "account_progress",
        n=n,
        proposal=account_creation.propose(services, own),
        is_still=is_still,
    )
    if not is_still:
        answer.headers["Refresh"] = str(SOON if progress.waited < PATIENCE else LATER)
    return answer


@blueprint.get("/account/<int:n>/waiting")
def account_waiting(n: int) -> Response:
    """The page that says that the homeserver did not answer and that a mail will follow."""
    own = _confirmed(n)
    proposal = account_creation.propose(services, own)
    is_held = not homeserver_standing.is_reachable(proposal.homeserver, services.now())
    return render_page("account_waiting", n=n, proposal=proposal, is_held=is_held)


@blueprint.get("/account/<int:n>/taken")
def account_taken(n: int) -> Response:
    """The page that says that the address has an account; the mailbox is verified, so it may."""
    own = _confirmed(n)
    proposal = account_creation.propose(services, own)
    with services.database.reading() as session:
        invited = invitation_proof.is_invited(session, own.address)
    created = account_creation.find_created(services, own)
    return render_page(
        "account_taken",
        address=EmailAddress.stored(own.address).display,
        client_url=created.client_url if created else proposal.client_url,
        invited=invited,
    )


@blueprint.get("/account/<int:n>/done")
def account_done(n: int) -> Response:
    """The welcome: the user ID, how to sign in, what to keep safe."""
    own = _own(n)
    step = visibility.step_of(own, services.now())
    if step is not Step.USED:
        return go_to("check_page", n=n)
    address = EmailAddress.stored(own.address).display
    created = account_creation.find_created(services, own)
    if created is None:  # created in another browser, or deleted since
        return render_page("link_used", same=False, n=n, token="", address=address)
    return render_page(
        "account_done",
        address=address,
        created=created,
        client_url=created.client_url,
        picture=_picture(created.phone_url),
    )


def _picture(url: str | None) -> Markup | None:
    """The QR code of the link for telephones; None if the link is too long, or if there is none."""
    try:
        return qr_code(url) if url else None
    except ValueError:
        return None


def _own(n: int) -> VerificationRequest:
    """The nth request of this browser. Raises NoSuchRequest."""
    with services.database.reading() as session:
        found = sign_up.find_own(session, browser=browser_cookie.browser_hash(), ordinal=n)
    prefer_language(found.language)
    about_address(found.address)
    tracing.follow(found.trace_id)
    return found


def _confirmed(n: int) -> VerificationRequest:
    """The same, if it is confirmed; else the browser goes to the page of the step it is at."""
    own = _own(n)
    if visibility.step_of(own, services.now()) is not Step.CONFIRMED:
        abort(go_to("check_page", n=n))
    return own


def _form(
    own: VerificationRequest, *faults: Fault, name: str | None = None, again: bool = False
) -> Response:
    account_creation.check_open(services, own)
    proposal = account_creation.propose(services, own)
    address = EmailAddress.stored(own.address)
    return render_page(
        "account" if proposal.asks_password else "account_elsewhere",
        faults=faults,
        n=own.ordinal,
        address=address,
        proposal=proposal,
        display_name=proposal.display_name if name is None else name,
        again=again,
        client_url=proposal.client_url,
    )
