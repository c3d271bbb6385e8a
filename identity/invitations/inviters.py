"""Who may invite, how many people a day, and how they are named."""

import math
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from domain_rules import display_names as names
from domain_rules.addresses import EmailAddress
from domain_rules.rules import RuleSet
from domain_rules.user_ids import homeserver_in
from identity import problems
from identity.mail import models as mails
from identity.threepids import associations

from . import history as invitation_events
from . import models as third_party_invitations
from . import mute_models as mutes

DAY = timedelta(days=1)
MAX_GUESTS = 50  # a day, by one account
MAX_AGENTS = 500
MAX_UNKNOWN = 3  # people who say that they do not know the inviter…
UNKNOWN_COUNTS = timedelta(days=30)  # …in this time


def inviter(session: Session, rules: RuleSet, user_id: str) -> tuple[str | None, str | None]:
    """Name and organisation of who invites, told from the address they proved; never the name they chose."""
    bound = associations.of_user(session, user_id)
    if not bound:
        return None, None
    address = EmailAddress.stored(bound[0].address)
    return names.display_name(address, ""), rules.decide(address).organisation or None


def check_not_paused(session: Session, now: datetime, sender: str, *, for_guest: bool) -> None:
    """Raises InvitationsPaused for who invited several guests that did not know them. Agents can be invited."""
    since = now - UNKNOWN_COUNTS
    said = mutes.times(session, sender, since), invitation_events.unknown_to(session, sender, since)
    times = max(said, key=len)  # also of invitations that their sender took back meanwhile
    if for_guest and len(times) >= MAX_UNKNOWN:
        raise problems.InvitationsPaused(times[-MAX_UNKNOWN] + UNKNOWN_COUNTS)


def paused_on(session: Session, now: datetime, homeserver: str) -> list[str]:
    """Who of this homeserver's users is paused, as `check_not_paused` judges each."""
    since = now - UNKNOWN_COUNTS
    found = {
        *mutes.said_often(session, since, MAX_UNKNOWN),
        *invitation_events.often_unknown(session, since, MAX_UNKNOWN),
    }
    return sorted(each for each in found if homeserver_in(each) == homeserver)


def check_quota(session: Session, now: datetime, sender: str, *, for_guest: bool) -> None:
    """Raises TooManyInvitations."""
    if not session.info.get("limited", True):
        return
    mails.lock_address(session, sender)  # or several at once would each be the last that is free
    most = MAX_GUESTS if for_guest else MAX_AGENTS
    since = now - DAY
    made = third_party_invitations.sent_times(session, sender, for_guest=for_guest, since=since)
    mailed = invitation_events.mailed_times(session, sender, for_guest=for_guest, since=since)
    times = max(made, mailed, key=len)  # what is sent again counts as well
    if len(times) >= most:
        free_at = times[-most] + DAY
        raise problems.TooManyInvitations(max(1, math.ceil((free_at - now).total_seconds())))
