"""/start: type an address; what can be said of its domain is said at once, the rest by mail."""

from dataclasses import dataclass

from flask import Response, request, session, url_for

from domain_rules import addresses, advice
from domain_rules.addresses import EmailAddress, InvalidAddress
from domain_rules.advice import Advice, State
from domain_rules.display import display_domain
from identity.routing import address_lists, never_agent
from identity.sign_up import service as sign_up
from identity.web.languages import language
from identity.web.rendering import Fault, go_to, page
from identity.web.request_context import client_ip, services
from identity.web.site import blueprint
from identity.web.wording import text

from . import browser

# The address a page is about, kept by the browser itself (signed) between POST and GET.
TYPED = "typed"
PAGES = {
    State.TYPO: "typo",
    State.SIBLING: "sibling",
    State.NOT_OPEN: "not_open",
    State.SHARED_MAILBOX: "shared_mailbox",
}
REASONS = addresses.Reason
# Faults that can be named; for all others the general sentence helps more.
FAULTS = {
    REASONS.NO_AT: "start.fault.no_at",
    REASONS.TWO_ATS: "start.fault.two_ats",
    REASONS.SPACE_INSIDE: "start.fault.space",
    REASONS.NOT_ASCII_LOCAL: "start.fault.accents",
    REASONS.FOREIGN_SIGN: "start.fault.signs",
    REASONS.LEADING_SIGN: "start.fault.signs",
    REASONS.NOT_AT_THIS_DOMAIN: "start.fault.signs",
    REASONS.ROUTED_ONWARD: "start.fault.onward",
    REASONS.TOO_LONG: "start.fault.too_long",
    REASONS.LOCAL_TOO_LONG: "start.fault.too_long",
    REASONS.RESERVED: "start.fault.reserved",
}


@dataclass(frozen=True)
class Asked:
    """The form of /start. `keep`: not the suggestion. `invited`: by an agent, so any domain will do."""

    email: str
    keep: bool
    invited: bool


@blueprint.get("/start")
def start_form() -> Response:
    """The field for the address."""
    return browser.introduce(page("start", email="", invited="invited" in request.args))


@blueprint.post("/start")
def start() -> Response:
    """An address of an open domain gets its mail; any other a page about its domain."""
    asked = Asked(
        email=request.form.get("email", ""),
        keep="keep" in request.form,
        invited="invited" in request.form,
    )
    try:
        address = services.rules.current().read(asked.email)
    except InvalidAddress as error:
        fault = Fault("email", text(FAULTS.get(error.reason, "start.fault")))
        return page("start", faults=[fault], email=asked.email, invited=asked.invited)
    services.limits.spend_network(client_ip())
    judged = _judge(address, keep_typed=asked.keep)
    # An invitation opens any domain, but no mailbox that several people read.
    if judged.state is State.SHARED_MAILBOX or (
        judged.state is not State.OPEN and not asked.invited
    ):
        session[TYPED] = {"email": address.canonical, "keep": asked.keep}
        return go_to("answer")
    services.limits.spend_tag(client_ip(), address)
    return _open_request(address)


@blueprint.get("/start/answer")
def answer() -> Response:
    """What there is to say about the domain of the address just typed."""
    try:
        typed = session[TYPED]
        address = services.rules.current().read(typed["email"])
    except (KeyError, TypeError, InvalidAddress):
        return go_to("start_form")
    judged = _judge(address, keep_typed=bool(typed.get("keep")))
    if judged.state is State.OPEN:  # the rules changed meanwhile: the domain was opened
        return page("start", email=address.display, invited=False)
    instead = f"{address.local}@{display_domain(judged.sibling)}" if judged.sibling else ""
    return page(
        PAGES[judged.state],
        address=address,
        advice=judged,
        instead=instead,
        start=url_for("pages.start"),
    )


def _judge(address: EmailAddress, *, keep_typed: bool) -> Advice:
    with services.database.reading() as session:
        shared = address_lists.shared_mailboxes(session)
    is_meant = keep_typed or never_agent.has_mailboxes(address.ascii_domain)
    rules = services.rules.current()
    return advice.advise(rules, address, keep_typed=is_meant, shared_mailboxes=shared)


def _open_request(address: EmailAddress) -> Response:
    browser_id = browser.browser_id() or services.tokens.new_browser()
    with services.database.transaction() as database:
        opened = sign_up.start(
            database,
            services.rules.current(),
            services.now(),
            address=address,
            browser=services.tokens.browser_hash(browser_id),
            language=language(),
            device=browser.device(),
        )
    session.pop(TYPED, None)
    return browser.mark(go_to("check_page", n=opened.ordinal), browser_id)
