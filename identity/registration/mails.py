"""The mails about an account: it was created, or its homeserver can create it now."""

from email.message import EmailMessage
from typing import Final

from identity.accounts.models import Account
from identity.homeservers import models as homeservers
from identity.homeservers.clients import client_link, phone_link
from identity.mail.composing import Frame, compose
from identity.mail.kinds import MailKind, MailTurn, NoLongerWanted
from identity.sign_up.models import State, VerificationRequest

from . import welcomes

MAX_ROOMS: Final = 3  # named in a mail


def welcome(turn: MailTurn, frame: Frame) -> EmailMessage:
    """The mail to a new account. A guest is told their sponsor and when their access ends."""
    session = turn.session
    account = session.get(Account, turn.mail.subject_id)
    if account is None:
        raise NoLongerWanted
    homeserver = homeservers.find(session, account.homeserver)
    facts = welcomes.welcome_of(session, turn.rules, account)
    person = {"user_id": account.user_id, "room_id": facts.room_id}
    return compose(
        "welcome",
        frame,
        display_name=account.display_name,
        user_id=account.user_id,
        address=account.address,
        server=homeserver.label if homeserver else account.homeserver,
        client_url=client_link(homeserver, turn.settings, **person),
        phone_url=phone_link(homeserver, turn.settings, **person),
        **vars(facts.naming(MAX_ROOMS)),
    )


def server_ready(turn: MailTurn, frame: Frame) -> EmailMessage:
    """The mail that says that the homeserver answers again, with the link to go on."""
    request = turn.session.get(VerificationRequest, turn.mail.subject_id)
    if request is None or request.state != State.CONFIRMED:
        raise NoLongerWanted
    name = request.homeserver
    homeserver = homeservers.find(turn.session, name) if name else None
    return compose(
        "server_ready",
        frame,
        server=homeserver.label if homeserver else name or "",
        link=f"{frame.public_url}/v/{turn.tokens.link(request.id, 'verify')}",
    )


WELCOME = MailKind(compose=welcome)
SERVER_READY = MailKind(compose=server_ready)
