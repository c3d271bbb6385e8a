"""/validate/email and /3pid/getValidated3pid: a client has an address proved. S48 to S60, S66 to S68.

Bodies are JSON; the deprecated forms of the specification are not read. Nothing is sent in the request:
the mail stands in the outbox with the session, so that there is no M_EMAIL_SEND_ERROR to answer.
"""

import math
from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, request
from pydantic import Field

from domain_rules.addresses import InvalidAddress
from identity import problems
from identity.core.one_time_codes.service import CodeAnswer, Result
from identity.threepids import validation
from identity.threepids.validation import Wanted, check_secret
from identity.translations import choose
from identity.web import devices, parameters
from identity.web.json_body import LARGEST, Body, Number, Text, read_body
from identity.web.matrix_v2 import V2
from identity.web.request_context import services

from .guards import anyone, caller, signed_in

blueprint = Blueprint("validation", __name__, url_prefix=V2)
blueprint.before_request(signed_in)

phones = Blueprint("phone_validation", __name__, url_prefix=f"{V2}/validate/msisdn")
phones.before_request(anyone)


class RequestToken(Body):
    """As the specification has it."""

    client_secret: Text
    email: Text
    send_attempt: Annotated[Number, Field(ge=0, le=LARGEST)]
    next_link: Text | None = None


class SubmitToken(Body):
    """As the specification has it."""

    sid: Text
    client_secret: Text
    token: Text


@blueprint.post("/validate/email/requestToken")
def request_token() -> Response:
    """Open a session, or go on with it, and have a mail sent."""
    asked = read_body(RequestToken)
    try:
        address = services.rules.current().read(asked.email)
    except InvalidAddress as error:
        raise problems.InvalidEmail(str(error)) from None
    wanted = Wanted(
        address=address,
        client_secret=check_secret(asked.client_secret),
        send_attempt=asked.send_attempt,
        user_id=caller().user_id,
        device=devices.family(request.user_agent.string),
        language=choose(
            [tag for tag, quality in request.accept_languages if quality > 0],
            services.settings.default_locale,
        ),
        next_link=asked.next_link or None,
    )
    with services.database.transaction() as session:
        if wanted.next_link:
            validation.check_next_link(session, wanted.next_link, hosts=_hosts())
        opened = validation.request(session, services.vault, services.now(), wanted)
        return jsonify(sid=opened.sid)


@blueprint.post("/validate/email/submitToken")
def submit_token() -> Response:
    """The code of the mail. What follows on the proof is the client's affair: no redirection here."""
    given = read_body(SubmitToken)
    check_secret(given.client_secret)
    now = services.now()
    with services.database.transaction() as session:
        try:
            asked = validation.find(session, sid=given.sid, client_secret=given.client_secret)
        except problems.NoValidSession as unknown:
            raise problems.WrongParameter(str(unknown)) from None
        answered = validation.type_code(session, services.tokens, now, asked, given.token)
    # Only now: raised inside, it would take the counted try back.
    _check(answered, now)
    return jsonify(success=True)


@blueprint.get("/3pid/getValidated3pid")
def get_validated_3pid() -> Response:
    """Whether, and since when, the address of a session is proved."""
    sid, secret = parameters.required("sid", "client_secret")
    check_secret(secret)
    with services.database.reading() as session:
        proved, at = validation.validated(session, services.now(), sid=sid, client_secret=secret)
    return jsonify(medium="email", address=proved.address, validated_at=int(at.timestamp() * 1000))


@phones.post("/requestToken")
@phones.route("/submitToken", methods=["GET", "POST"])
def no_phones() -> Response:
    """Phone numbers are not proved here."""
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
    """Where a proof may send people on to, beside the messengers of single homeservers."""
    ours = {
        urlsplit(url).hostname or ""
        for url in (services.settings.client_url, services.settings.public_url)
    }
    return ours | set(services.settings.next_link_hosts)
