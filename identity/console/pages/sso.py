"""/admin/sign-in/sso: operators sign in by the OpenID provider, prove themselves again, and sign out.

The way there is a link: Chromium stops a form whose answer leads elsewhere (`form-action 'self'`).
"""

import logging
from http import HTTPStatus
from typing import Final

from flask import Response, abort, make_response, redirect, request
from sqlalchemy.exc import IntegrityError

from identity.core.http_client import Away
from identity.core.journal import Actor
from identity.operators import models as operators, sessions
from identity.operators.roles import Deed
from identity.operators.sessions import PROOF_LASTS, SignedIn
from identity.operators.sso import admitting, provider as providers, states, tokens
from identity.operators.sso.admitting import Admitted
from identity.operators.sso.models import Purpose
from identity.operators.sso.provider import Client, Provider, WrongProvider
from identity.operators.sso.states import Kept, Returned, Sent
from identity.operators.sso.tokens import Refused, Told, UnknownKey
from identity.problems import OperatorExists, WrongParameter
from identity.web import session_cookies
from identity.web.request_context import client_ip, services
from identity.web.request_record import request_id
from identity.web.wording import language, prefer_language

from . import operator_session, sso_calls
from .frame import (
    NOT_CARRIED,
    REASON,
    form,
    go_to,
    own_path,
    say,
    screen,
    show,
)

log = logging.getLogger(__name__)

COOKIE: Final = "sso"
FOR: Final = "sso_for"  # the path of the form that is kept while the second factor is asked
MAX_ID_TOKEN: Final = 6000  # characters; a longer one does not go into a URL
UNAVAILABLE: Final = {"server_error", "temporarily_unavailable"}
WITHOUT_A_ROLE: Final = {"unknown", "role", "scope", "last_admin", "disabled"}


@screen("/sign-in/sso", None)
def sso() -> Response:
    """Go to the provider."""
    return _send(_client(), Purpose.SIGN_IN, Kept())


@screen("/sign-in/sso/back", None)
def sso_back() -> Response:
    """Come back from it: one call, then the console or a page that says why not."""
    client, provider = _client(), _provider(_client())
    try:
        with sso_calls.place():
            return _come_back(client, provider)
    except (sso_calls.Busy, Away) as error:
        why = str(error) or "two others wait for it"
        log.warning("a sign-in by the OpenID provider was not finished: %s", why)
        return go_to("sso_silent")


@screen("/sign-in/sso/refused", None)
def sso_refused() -> Response:
    """A03: the provider did not confirm who this is."""
    return _failure("refused", HTTPStatus.FORBIDDEN)


@screen("/sign-in/sso/no-role", None)
def sso_no_role() -> Response:
    """The provider did, but nobody gave them a role here."""
    return _failure("no_role", HTTPStatus.FORBIDDEN)


@screen("/sign-in/sso/silent", None)
def sso_silent() -> Response:
    """A04: the provider does not answer."""
    return _failure("silent", HTTPStatus.SERVICE_UNAVAILABLE)


@form("/sign-in/sso/again", Deed.SEE_SELF)
def sso_again() -> Response:
    """Keep the form, and offer the link to the provider, which asks who this is once more."""
    client, who = _client(), operator_session.operator()
    path = request.form.get(FOR, "")
    kept = [pair for pair in request.form.items(multi=True) if _is_kept(pair[0])]
    too_long = sum(len(name) + len(value) for name, value in kept) > states.MAX_FORM
    if own_path(path) is None or not who.by_sso or too_long:
        raise WrongParameter
    browser = _browser()
    url = _url(client, browser, Purpose.AGAIN, Kept(then=path, form=kept), who)
    if url is None:
        return go_to("sso_silent")
    return session_cookies.set_token(
        show("sso_again", url=url, label=client.label), COOKIE, browser
    )


@screen("/sign-in/sso/confirm", Deed.SEE_SELF)
def sso_confirm() -> Response:
    """The form that was kept, to be sent now."""
    who, browser = operator_session.operator(), session_cookies.read_token(COOKIE)
    with services.database.reading() as database:
        kept = states.find_kept(
            database, services.vault, services.now(), browser or "", who.session_id
        )
    if kept is None or not who.has_proved(services.now()):
        return go_to("home")
    return show("sso_confirm", action=kept.then, carried=kept.form)


@screen("/sign-in/sso/out", None)
def sso_out() -> Response:
    """Signed out here; the link signs out at the provider, too."""
    client = _client()
    provider, browser = _provider(client), session_cookies.read_token(COOKIE)
    url = None
    if provider is not None and browser is not None:
        with services.database.reading() as database:
            url = states.sign_out_url(
                database,
                services.vault,
                services.now(),
                client=client,
                provider=provider,
                browser=browser,
            )
    return show("sso_out", url=url, label=client.label) if url else go_to("sign_in")


@screen("/sign-in/sso/left", None)
def sso_left() -> Response:
    """Signed out at the provider, too."""
    returned = _use_state()
    if returned is not None and returned.purpose is Purpose.SIGN_OUT:
        prefer_language(returned.language)
        say("console.sso.left")
    return session_cookies.delete_token(go_to("sign_in"), COOKIE)


def way_out() -> Response | None:
    """Where to go after signing out here, if the provider can be left as well. Call it before."""
    client, who = providers.client_of(services.settings), operator_session.signed_in()
    if client is None or who is None or not who.by_sso:
        return None
    provider = _provider(client)
    if provider is None or provider.sign_out_url is None:
        return None
    browser = _browser()
    sent = Sent(browser, Purpose.SIGN_OUT, language(), who.session_id)
    with services.database.transaction() as database:
        sealed = sessions.id_token_of(database, who.session_id)
        id_token = services.vault.open(sealed).get_secret_value() if sealed else ""
        if not id_token:
            return None
        states.prepare_sign_out(database, services.vault, services.now(), sent, id_token)
    return session_cookies.set_token(go_to("sso_out"), COOKIE, browser)


def _come_back(client: Client, provider: Provider | None) -> Response:
    returned = _use_state()
    if returned is None or returned.purpose is Purpose.SIGN_OUT:
        log.info("somebody came back from the OpenID provider whom nobody here had sent")
        return go_to("sso_refused")
    prefer_language(returned.language)
    if provider is None:
        raise Away("not read yet")
    try:
        vouched = sso_calls.ask(client, provider, returned, _code(client), services.now())
        if returned.purpose is Purpose.AGAIN:
            return _prove_again(returned, vouched.told)
    except Refused as refused:
        return _refuse(client, returned, refused)
    return _let_in(client, vouched)


def _code(client: Client) -> str:
    """The code that came back. Raises Refused, Away."""
    if request.args.get("iss", client.issuer) != client.issuer:  # RFC 9207
        raise Refused("issuer")
    if error := request.args.get("error"):
        if error in UNAVAILABLE:
            raise Away("unavailable")
        raise Refused("provider")
    code = request.args.get("code")
    if not code:
        raise Refused("code")
    return code


def _let_in(client: Client, vouched: sso_calls.Vouched) -> Response:
    told, now = vouched.told, services.now()
    admitted = _admit(client, told)
    if admitted.operator is None:
        return go_to("sso_no_role" if admitted.why in WITHOUT_A_ROLE else "sso_refused")
    proved_at = None
    if told.has_two_factors:  # else the app is asked next
        # Who proved it to the provider long ago is in, and is asked again before what matters.
        proved_at = min(told.signed_in_at or now - PROOF_LASTS, now)
    # It goes on from there to the form or screen that was asked for, or asks for the app.
    response = go_to("second_factor")
    kept = vouched.id_token if len(vouched.id_token) <= MAX_ID_TOKEN else ""
    operator_session.sign_in(
        response, admitted.operator, proved_at=proved_at, id_token=services.vault.seal(kept)
    )
    return response


def _admit(client: Client, told: Told) -> Admitted:
    def once() -> Admitted:
        with services.database.transaction() as database:
            return admitting.admit(
                database,
                services.now(),
                _provider_as_actor(client),
                client,
                told,
                language=language(),
            )

    try:
        return once()
    except (IntegrityError, OperatorExists):
        # Their first sign-in, twice at once: the other one made the operator, or joined them.
        return once()


def _prove_again(returned: Returned, told: Told) -> Response:
    """Record that the same person has just proved who they are, with two factors. Raises Refused."""
    who, now = operator_session.signed_in(), services.now()
    if who is None or who.session_id != returned.session_id:
        raise Refused("session")
    if not tokens.is_fresh(told, now, within=PROOF_LASTS):
        raise Refused("stale")
    if not told.has_two_factors:
        raise Refused("one_factor")
    with services.database.transaction() as database:
        operator = operators.find(database, who.operator_id)
        if operator is None or (operator.issuer, operator.subject) != (told.issuer, told.subject):
            raise Refused("person")
        at = min(told.signed_in_at or now, now)
        sessions.record_proof(database, now, who.session_id, proved_at=at)
    return go_to("sso_confirm")


def _refuse(client: Client, returned: Returned, refused: Refused) -> Response:
    who = operator_session.signed_in() if returned.purpose is Purpose.AGAIN else None
    with services.database.transaction() as database:
        now = services.now()
        if isinstance(refused, UnknownKey):
            providers.ask_for_keys(database, now, client.issuer)
        admitting.refuse(
            database, now, _provider_as_actor(client), refused.why, who.name if who else ""
        )
    return go_to("sso_refused")


def _use_state() -> Returned | None:
    """Who comes back, by the state in the URL and the cookie of this browser."""
    state, browser = request.args.get("state"), session_cookies.read_token(COOKIE)
    if not state or browser is None:
        return None
    with services.database.transaction() as database:
        return states.use(database, services.vault, services.now(), state=state, browser=browser)


def _send(client: Client, purpose: Purpose, kept: Kept) -> Response:
    browser = _browser()
    url = _url(client, browser, purpose, kept)
    if url is None:
        return go_to("sso_silent")
    response = make_response(redirect(url, HTTPStatus.SEE_OTHER))
    return session_cookies.set_token(response, COOKIE, browser)


def _url(
    client: Client, browser: str, purpose: Purpose, kept: Kept, who: SignedIn | None = None
) -> str | None:
    """Where to sign in at the provider; None while the worker has not read it."""
    services.limits.spend_provider(client_ip())
    provider = _provider(client)
    if provider is None:
        return None
    sent = Sent(browser, purpose, language(), who.session_id if who else None)
    with services.database.transaction() as database:
        return states.send(
            database,
            services.vault,
            services.now(),
            client=client,
            provider=provider,
            sent=sent,
            kept=kept,
        )


def _browser() -> str:
    """The token of this browser's cookie, or a new one. Two tabs share it."""
    return session_cookies.read_token(COOKIE) or operators.new_token()


def _client() -> Client:
    found = providers.client_of(services.settings)
    if found is None:
        abort(HTTPStatus.NOT_FOUND)
    return found


def _provider(client: Client) -> Provider | None:
    with services.database.reading() as database:
        try:
            return providers.find(database, client)
        except WrongProvider as error:  # another version read it
            log.warning("the OpenID provider cannot be used: %s", error)
            return None


def _failure(what: str, status: HTTPStatus) -> Response:
    return show("sso_failed", status=status, what=what, label=_client().label)


def _is_kept(name: str) -> bool:
    return name == REASON or name not in {*NOT_CARRIED, FOR}


def _provider_as_actor(client: Client) -> Actor:
    return Actor(client.label, f"console from {operator_session.network()}", "", request_id())
