"""/validate/email and /3pid/getValidated3pid: validation of addresses (Identity Service API v2).

Bodies are JSON; the deprecated form encoding of the specification is not read. The mail is enqueued
with the session and sent later, so M_EMAIL_SEND_ERROR is never answered.
"""

import math
from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, request
from pydantic import Field

from domain_rules.address_faults import InvalidAddress
from identity import problems
from identity.core.one_time_codes.service import CodeAnswer, Result
from identity.threepids import validation
from identity.threepids.validation import Wanted, check_secret
from identity.translations import choose_language
from identity.web import browser_cookie, parameters
from identity.web.guards import anyone
from identity.web.json_body import MAX_INTEGER, Body, Number, Text, read_body
from identity.web.matrix_guards import V2, caller, signed_in
from identity.web.request_context import services
from identity.web.request_record import about_address

blueprint = Blueprint("validation", __name__, url_prefix=V2)
blueprint.before_request(signed_in)

phones = Blueprint("phone_validation", __name__, url_prefix=f"{V2}/validate/msisdn")
phones.before_request(anyone)


class RequestToken(Body):
    """The body of POST /validate/email/requestToken."""

    client_secret: Text
    email: Text
    send_attempt: Annotated[Number, Field(ge=0, le=MAX_INTEGER)]
    next_link: Text | None = None


class SubmitToken(Body):
    """The body of POST /validate/email/submitToken."""

    sid: Text
    client_secret: Text
    token: Text


@blueprint.post("/validate/email/requestToken")
def request_token() -> Response:
    """Open a session or continue one, and order its mail."""
    body = read_body(RequestToken)
    try:
        address = services.rules.current().read(body.email)
    except InvalidAddress as error:
        raise problems.InvalidEmail(str(error)) from None
    about_address(address.canonical)
    wanted = Wanted(
        address=address,
        client_secret=check_secret(body.client_secret),
        send_attempt=body.send_attempt,
        user_id=caller().user_id,
        device=browser_cookie.device(),
        language=choose_language(
            [tag for tag, quality in request.accept_languages if quality > 0],
            services.settings.default_locale,
        ),
        next_link=body.next_link or None,
    )
    with services.database.transaction() as session:
        if wanted.next_link:
            validation.check_next_link(session, wanted.next_link, hosts=_hosts())
        opened = validation.request_validation(session, services.vault, services.now(), wanted)
        return jsonify(sid=opened.sid)


@blueprint.post("/validate/email/submitToken")
def submit_token() -> Response:
    """Try the code of the mail. The client decides what follows, so nothing is redirected here."""
    given = read_body(SubmitToken)
    check_secret(given.client_secret)
    now = services.now()
    with services.database.transaction() as session:
        try:
            found = validation.find(session, sid=given.sid, client_secret=given.client_secret)
        except problems.NoValidSession as unknown:
            raise problems.WrongParameter(str(unknown)) from None
        answered = validation.try_code(session, services.tokens, now, found, given.token)
    # After the transaction: an exception inside would roll back the counted try.
    _check(answered, now)
    return jsonify(success=True)


@blueprint.get("/3pid/getValidated3pid")
def get_validated_3pid() -> Response:
    """Since when the address of a session is validated."""
    sid, secret = parameters.required("sid", "client_secret")
    check_secret(secret)
    with services.database.reading() as session:
        validated, at = validation.find_validated(
            session, services.now(), sid=sid, client_secret=secret
        )
    return jsonify(
        medium="email", address=validated.address, validated_at=int(at.timestamp() * 1000)
    )


@phones.post("/requestToken")
@phones.route("/submitToken", methods=["GET", "POST"])
def no_phones() -> Response:
    """Refuse phone numbers: only email addresses are validated here."""
    raise problems.UnknownMedium


def _check(answered: CodeAnswer, now: datetime) -> None:
    match answered.result:
        case Result.RIGHT:
            return
        case Result.WRONG:
            raise problems.WrongCode
        case Result.OFF:
            wait = (answered.mail_at or now) - now
            raise problems.TooManyTries(max(1, math.ceil(wait.total_seconds())))
    raise problems.SessionExpired


def _hosts() -> set[str]:
    """The hosts a next_link may lead to, besides the clients of the homeservers."""
    ours = {
        urlsplit(url).hostname or ""
        for url in (services.settings.client_url, services.settings.public_url)
    }
    return ours | set(services.settings.next_link_hosts)
