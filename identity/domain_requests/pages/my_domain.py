"""/my-domain: somebody proves their mailbox, and asks for its domain to be opened."""

from flask import Response, request, session as cookie, url_for
from sqlalchemy.orm import Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from domain_rules.display import display_domain
from identity.core.one_time_codes.service import CodeAnswer, Result
from identity.domain_requests import asking, models, service
from identity.domain_requests.models import DomainAsking, Size
from identity.domain_requests.service import Door, Wish
from identity.problems import DomainRequestDecided
from identity.web import browser_cookie
from identity.web.code_form import code_faults, is_mail_held, unfinished_code
from identity.web.rendering import Fault, go_to, render_page
from identity.web.request_context import client_ip, services
from identity.web.request_record import about_address
from identity.web.site import blueprint
from identity.web.wording import language, text

from . import browser

WANTED = ("organisation", "position")
FIELDS = ("organisation", "position", "site", "phone", "it_contact")


@blueprint.get("/mon-domaine")
def mon_domaine() -> Response:
    """The French name of the page."""
    return go_to("my_domain", lang="fr")


@blueprint.get("/my-domain")
def my_domain() -> Response:
    """The field for the address."""
    return browser_cookie.introduce(render_page("my_domain", email=""))


@blueprint.post("/my-domain")
def my_domain_ask() -> Response:
    """Mail a code, or say at the door why this domain cannot be asked for."""
    typed = request.form.get("email", "")
    try:
        address = services.rules.current().read(typed)
    except InvalidAddress:
        return render_page("my_domain", faults=[Fault("email", text("start.fault"))], email=typed)
    about_address(address.canonical)
    services.limits.spend_network(client_ip())
    with services.database.reading() as database:
        door = browser.at_the_door(database, address)
    if door.door is not Door.MAY_ASK:
        cookie[browser.TYPED] = address.canonical
        return go_to("my_domain_door")
    services.limits.spend_tag(client_ip(), address)
    order_code(address)
    return go_to("my_domain_code")


@blueprint.get("/my-domain/answer")
def my_domain_door() -> Response:
    """Why the domain of the address just typed cannot be asked for."""
    try:
        address = services.rules.current().read(str(cookie[browser.TYPED]))
    except (KeyError, InvalidAddress):
        return go_to("my_domain")
    return _door_page(address)


@blueprint.get("/my-domain/code")
def my_domain_code() -> Response:
    """The field for the code."""
    with services.database.reading() as database:
        asked = browser.find_asking(database)
    return _code_page(asked) if asked and asked.used_at is None else go_to("my_domain")


@blueprint.post("/my-domain/code")
def my_domain_type_code() -> Response:
    """A right code leads to the form, or to the request that this mailbox made before."""
    with services.database.transaction() as database:
        asked = browser.find_asking(database)
        if asked is None:
            return go_to("my_domain")
        if faults := unfinished_code():
            return _code_page(asked, faults)
        answered, token = asking.type_code(
            database,
            services.tokens,
            services.now(),
            asked,
            request.form["code"],
            networks=browser_cookie.network_of_browser(database),
        )
        target = next_page(database, asked) if token else None
    if token is None or target is None:
        return _code_page(asked, _faults_of(answered, held=False))
    return browser.go_on(target, token)


@blueprint.get("/my-domain/request")
def my_domain_form() -> Response:
    """What somebody says who asks; once they have, the status."""
    with services.database.reading() as database:
        address = browser.required(database)
        if found := _own_pending(database, address):
            return found
        door = browser.at_the_door(database, address)
    return _form_page(address) if door.door is Door.MAY_ASK else _door_page(address)


@blueprint.post("/my-domain/request")
def my_domain_send() -> Response:
    """Store the request. Sent twice, the first one counts."""
    with services.database.reading() as database:
        address = browser.required(database)
        door = browser.at_the_door(database, address)
    if door.door is not Door.MAY_ASK:
        return _door_page(address)
    faults = _faults_of_form()
    if faults:
        return _form_page(address, faults)
    try:
        with services.database.transaction() as database:
            outcome = service.ask(
                database,
                services.hashes,
                services.now(),
                address=address,
                wish=_read_wish(),
                language=language(),
            )
            if outcome.requester is None and (asked := browser.signed_in(database)):
                asking.end_session(database, services.now(), asked)
    except DomainRequestDecided:  # since the door was looked at
        return _door_page(address)
    if outcome.requester is None:
        return render_page("my_domain_counted", shown=address.display_domain)
    return go_to("my_domain_status", token=services.tokens.link(outcome.requester.id, "domain"))


def order_code(address: EmailAddress) -> None:
    """Order the mail with a code for this browser."""
    with services.database.transaction() as database:
        asked = asking.request_code(
            database,
            services.now(),
            address=address,
            language=language(),
            asked=browser.find_asking(database),
            device=browser_cookie.device(),
        )
    cookie[browser.ASKED] = str(asked.id)


def show_link(token: str) -> Response | None:
    """The mailed link, in any browser: a field for its code. None: it is about something else."""
    with services.database.reading() as database:
        asked = _find_by_link(database, token)
    return _code_page(asked, token=token) if asked else None


def try_code_of_link(token: str) -> Response | None:
    """Behind the link the code has tries of its own; a right one signs this browser in."""
    known = browser_cookie.browser_id() or services.tokens.new_browser()
    with services.database.transaction() as database:
        asked = _find_by_link(database, token)
        if asked is None:
            return None
        if faults := unfinished_code():
            return _code_page(asked, faults, token=token)
        answered, session_token = asking.type_code_of_link(
            database,
            services.tokens,
            services.now(),
            asked,
            request.form["code"],
            browser=services.tokens.browser_hash(known),
            device=browser_cookie.device(),
        )
        target = next_page(database, asked) if session_token else None
    if session_token is None or target is None:
        page = _code_page(asked, _faults_of(answered, held=True), token=token)
        return browser_cookie.set_cookie(page, known)
    return browser_cookie.set_cookie(browser.go_on(target, session_token), known)


def next_page(database: Session, asked: DomainAsking) -> Response:
    """Where to go after the code: to one's request, or to the form for one."""
    found = _own(database, EmailAddress.stored(asked.address))
    return found or go_to("my_domain_form")


def _own(database: Session, address: EmailAddress) -> Response | None:
    found = service.find_request_of(database, address)
    if found is None or found[1].withdrawn_at is not None:
        return None
    return go_to("my_domain_status", token=services.tokens.link(found[1].id, "domain"))


def _own_pending(database: Session, address: EmailAddress) -> Response | None:
    pending = models.find_pending(database, address.ascii_domain)
    own = models.find_own(database, pending.id, address.mailbox_key()) if pending else None
    if own is None or own.withdrawn_at is not None:
        return None
    return go_to("my_domain_status", token=services.tokens.link(own.id, "domain"))


def _door_page(address: EmailAddress) -> Response:
    with services.database.reading() as database:
        door = browser.at_the_door(database, address)
    if door.door is Door.MAY_ASK:  # the door was opened meanwhile
        return render_page("my_domain", email=address.display)
    sibling = display_domain(door.sibling)
    return render_page(
        "my_domain_door",
        door=door,
        address=address,
        accepted=sibling,
        instead=f"{address.local}@{sibling}" if sibling else "",
        start=url_for("pages.start"),
    )


def _code_page(
    asked: DomainAsking, faults: list[Fault] | None = None, *, token: str | None = None
) -> Response:
    """`token`: of the mailed link. Without the asking's own browser the address is masked."""
    known = EmailAddress.stored(asked.address)
    mail_at = asked.mail_at or asked.created_at
    with services.database.reading() as database:
        others = [] if token else asking.find_elsewhere(database, services.now(), asked)
    return render_page(
        "my_domain_code",
        faults=faults or (),
        act=url_for("pages.verify", token=token) if token else url_for("pages.my_domain_code"),
        address=known.masked if token else known.display,
        mail_at=mail_at,
        mail_waits=mail_at > services.now(),
        is_held=is_mail_held(asked.address, mail_at),
        others=others,
    )


def _form_page(address: EmailAddress, faults: list[Fault] | None = None) -> Response:
    return render_page(
        "my_domain_form",
        faults=faults or (),
        address=address.display,
        shown=address.display_domain,
        sizes=[each.value for each in Size],
    )


def _faults_of_form() -> list[Fault]:
    faults = [
        Fault(name, text("my_domain.fault.missing", field=text(f"my_domain.{name}")))
        for name in WANTED
        if not service.on_a_line(request.form.get(name, ""))
    ]
    faults += [
        Fault(name, text("my_domain.fault.long", n=service.MAX_FIELD))
        for name in FIELDS
        if len(request.form.get(name, "")) > service.MAX_FIELD
    ]
    if request.form.get("size") not in list(Size):
        faults.append(Fault("size", text("my_domain.fault.size")))
    return faults


def _read_wish() -> Wish:
    said = {name: request.form.get(name, "") for name in FIELDS}
    return Wish(size=Size(request.form["size"]), **said)


def _find_by_link(database: Session, token: str) -> DomainAsking | None:
    asking_id = services.tokens.read_link(token, "domain_code")
    return asking.find(database, asking_id) if asking_id else None


def _faults_of(answered: CodeAnswer, *, held: bool) -> list[Fault]:
    if answered.result is Result.OVER and answered.ended_at is None and not answered.is_used:
        return [Fault("code", text("my_domain.code.over"))]
    return code_faults(answered, held=held)
