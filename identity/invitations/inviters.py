"""Limits on inviters, and how they are named in mails."""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from domain_rules import display_names
from domain_rules.addresses import EmailAddress
from domain_rules.rules import RuleSet
from domain_rules.user_ids import homeserver_in
from identity import problems
from identity.core.database import limits_count
from identity.freezes import service as freezes
from identity.homeservers import models as homeservers, standing as homeserver_standing
from identity.homeservers.models import Homeserver
from identity.mail import models as mails
from identity.threepids import associations

from . import (
    block_models as inviter_blocks,
    history as invitation_events,
    models as third_party_invitations,
    mute_models as mutes,
)

DAY = timedelta(days=1)
MAX_GUESTS = 50  # a day, by one account
MAX_AGENTS = 500
MAX_UNKNOWN = 3  # people who report an inviter as unknown…
UNKNOWN_WINDOW = timedelta(days=30)  # …in this time


def name_and_organisation_of(
    session: Session, rules: RuleSet, user_id: str
) -> tuple[str | None, str | None]:
    """The name and organisation of an inviter, derived from their verified address.

    Never from the display name they chose. (None, None) if they have no verified address.
    """
    bound = associations.find_by_user(session, user_id)
    if not bound:
        return None, None
    address = EmailAddress.stored(bound[0].address)
    return display_names.display_name(address, ""), rules.decide(address).organisation or None


def check_may_invite(
    session: Session,
    rules: RuleSet,
    now: datetime,
    sender: str,
    address: EmailAddress | None = None,
    *,
    is_bound: bool = False,
) -> None:
    """Whether operators have stopped this sender, or invitations of this address.

    `is_bound`: somebody has the address already, so that no account is made for it. Raises what
    `check_sender` raises, and DomainFrozen and HomeserverRetired about the address.
    """
    check_sender(session, now, sender)
    if address is None:
        return
    freezes.check_invitation(session, now, address)
    if not is_bound:
        refuse_retired(homeservers.find(session, rules.decide(address).homeserver or ""))


def refuse_retired(homeserver: Homeserver | None) -> None:
    """Raises HomeserverRetired if no accounts are made there any more."""
    if homeserver is not None and homeserver.retired_at is not None:
        raise problems.HomeserverRetired(homeserver.label)


def check_sender(session: Session, now: datetime, sender: str) -> None:
    """Raises InvitationsFrozen, InviterBlocked, HomeserverSuspended."""
    freezes.check_invitation(session, now)
    inviter_blocks.check(session, now, sender)
    homeserver_standing.check_user(session, sender)


def check_not_paused(session: Session, now: datetime, sender: str, *, for_guest: bool) -> None:
    """Raises InvitationsPaused if several guests reported this inviter as unknown.

    Agents can still be invited.
    """
    since = now - UNKNOWN_WINDOW
    reported = (
        mutes.find_times(session, sender, since),
        invitation_events.find_times_unknown(session, sender, since),
    )
    refuse_paused(reported, for_guest=for_guest)


def refuse_paused(reported: Iterable[Sequence[datetime]], *, for_guest: bool) -> None:
    """Raises as `check_not_paused`. `reported`: when, by mutes and by declined invitations."""
    times = max(reported, key=len)  # mutes remain when the invitation was revoked
    if for_guest and len(times) >= MAX_UNKNOWN:
        raise problems.InvitationsPaused(times[-MAX_UNKNOWN] + UNKNOWN_WINDOW)


def find_paused(session: Session, now: datetime, homeserver: str) -> list[str]:
    """The users of this homeserver who are paused, as `check_not_paused` decides."""
    since = now - UNKNOWN_WINDOW
    found = {
        *mutes.find_often_muted(session, since, MAX_UNKNOWN),
        *invitation_events.find_often_unknown(session, since, MAX_UNKNOWN),
    }
    return sorted(each for each in found if homeserver_in(each) == homeserver)


def check_quota(session: Session, now: datetime, sender: str, *, for_guest: bool) -> None:
    """Raises TooManyInvitations if this inviter had as many invitations as a day allows."""
    if not limits_count(session):
        return
    mails.lock_address(session, sender)  # or requests at once would each take the last free place
    most = quota_of(for_guest=for_guest)
    since = now - DAY
    created = third_party_invitations.find_creation_times(
        session, sender, for_guest=for_guest, since=since
    )
    mailed = invitation_events.find_mailed_times(session, sender, for_guest=for_guest, since=since)
    refuse_over_quota(
        now, (times[-most] if len(times) >= most else None for times in (created, mailed))
    )


def quota_of(*, for_guest: bool) -> int:
    """How many guests, or agents, an account invites in a day."""
    return MAX_GUESTS if for_guest else MAX_AGENTS


def refuse_over_quota(now: datetime, full_since: Iterable[datetime | None]) -> None:
    """Raises TooManyInvitations.

    `full_since`: of the invitations, and of the mails about them (those sent again count as well),
    the time of the last but the quota; None while there are fewer.
    """
    if full := [each for each in full_since if each is not None]:
        free_at = max(full) + DAY
        raise problems.TooManyInvitations(max(1, math.ceil((free_at - now).total_seconds())))
