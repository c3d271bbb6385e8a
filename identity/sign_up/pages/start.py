"""/start: a person types an address; the page advises on its domain, the mail on the account."""

from dataclasses import dataclass

from flask import Response, request, session, url_for

from domain_rules import advice
from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from domain_rules.advice import AddressAdvice, AdviceState
from domain_rules.display import display_domain
from identity.freezes import service as freezes
from identity.routing import address_lists, never_agent
from identity.sign_up import service as sign_up
from identity.web import address_faults, browser_cookie
from identity.web.rendering import Fault, go_to, render_page
from identity.web.request_context import client_ip, services
from identity.web.request_record import about_address
from identity.web.site import blueprint
from identity.web.wording import language, text

# The key of the typed address in the signed session cookie, between POST and GET.
TYPED = "typed"
PAGES = {
    AdviceState.TYPO: "typo",
    AdviceState.SIBLING: "sibling",
    AdviceState.NOT_OPEN: "not_open",
    AdviceState.SHARED_MAILBOX: "shared_mailbox",
}


@dataclass(frozen=True)
class StartForm:
    """The form of /start, as it was sent.

    `keep`: the person declined the suggested correction. `invited`: the person says that an agent
    invited them, so an address of any domain is accepted.
    """

    email: str
    keep: bool
    invited: bool


@blueprint.get("/start")
def start_form() -> Response:
    """The field for the address. Raises SignUpsFrozen."""
    freezes.check_sign_ups(services.freezes.current())
    return browser_cookie.introduce(
        render_page("start", email="", invited="invited" in request.args)
    )


@blueprint.post("/start")
def start() -> Response:
    """Mail a code to an address of an open domain; for any other show a page about the domain."""
    asked = StartForm(
        email=request.form.get("email", ""),
        keep="keep" in request.form,
        invited="invited" in request.form,
    )
    try:
        address = services.rules.current().read(asked.email)
    except InvalidAddress as error:
        fault = Fault("email", text(address_faults.text_id(error.reason)))
        return render_page("start", faults=[fault], email=asked.email, invited=asked.invited)
    about_address(address.canonical)
    services.limits.spend_network(client_ip())
    advised = _advise(address, keep_typed=asked.keep)
    # An invitation opens any domain, but no mailbox that several people read.
    if advised.state is AdviceState.SHARED_MAILBOX or (
        advised.state is not AdviceState.OPEN and not asked.invited
    ):
        session[TYPED] = {"email": address.canonical, "keep": asked.keep}
        return go_to("answer")
    services.limits.spend_tag(client_ip(), address)
    return _open_request(address)


@blueprint.get("/start/answer")
def answer() -> Response:
    """The page about the domain of the address just typed."""
    try:
        typed = session[TYPED]
        address = services.rules.current().read(typed["email"])
    except (KeyError, TypeError, InvalidAddress):
        return go_to("start_form")
    advised = _advise(address, keep_typed=bool(typed.get("keep")))
    if advised.state is AdviceState.OPEN:  # the domain was opened meanwhile
        return render_page("start", email=address.display, invited=False)
    instead = f"{address.local}@{display_domain(advised.sibling)}" if advised.sibling else ""
    return render_page(
        PAGES[advised.state],
        address=address,
        advice=advised,
        instead=instead,
        start=url_for("pages.start"),
    )


def _advise(address: EmailAddress, *, keep_typed: bool) -> AddressAdvice:
    with services.database.reading() as session:
        shared = address_lists.shared_mailboxes(session)
    is_meant = keep_typed or never_agent.has_mailboxes(address.ascii_domain)
    rules = services.rules.current()
    return advice.advise(rules, address, keep_typed=is_meant, shared_mailboxes=shared)


def _open_request(address: EmailAddress) -> Response:
    browser_id = browser_cookie.browser_id() or services.tokens.new_browser()
    with services.database.transaction() as database:
        opened = sign_up.start(
            database,
            services.rules.current(),
            services.now(),
            address=address,
            browser=services.tokens.browser_hash(browser_id),
            language=language(),
            device=browser_cookie.device(),
        )
    session.pop(TYPED, None)
    return browser_cookie.set_cookie(go_to("check_page", n=opened.ordinal), browser_id)
