"""Removes a homeserver from the registry, if nothing depends on it any more."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import ColumnElement, or_
from sqlalchemy.orm import InstrumentedAttribute, Session

from identity.accounts.models import Account
from identity.accounts.verified_addresses import VerifiedAddress
from identity.bulk_invites.models import BulkInvite, BulkInviteState
from identity.core import journal, rows
from identity.core.journal import Actor
from identity.core.outbox import Job
from identity.homeservers import changing, health_models, standing
from identity.homeservers.breakers import HomeserverBreaker, Interface, key_of
from identity.homeservers.credentials import HomeserverCredential
from identity.homeservers.module_models import HomeserverModule
from identity.homeservers.service import rules_naming
from identity.invitations import models as third_party_invitations
from identity.invitations.models import Delivery, ThirdPartyInvitation
from identity.problems import Problem
from identity.registration.models import AccountAttempt, AttemptState
from identity.synapse_api.report_models import RefusalCount
from identity.threepids.account_models import AccessToken
from identity.threepids.associations import Association

MAX_NAMED = 10  # rules
UNFINISHED = (AttemptState.JUDGING, AttemptState.WAITING, AttemptState.CALLING)


class StillNeeded(Problem):
    """Something depends on this homeserver: it stays."""

    def __init__(self, name: str, needed_by: list[str]) -> None:
        super().__init__("\n".join([f"{name} is not removed. What depends on it:", *needed_by]))
        self.needed_by = needed_by


def find_dependencies(session: Session, now: datetime, name: str) -> list[str]:
    """What prevents its removal, in words; empty if nothing does."""
    return list(_dependencies(session, now, name))


def remove(session: Session, now: datetime, who: Actor, name: str) -> None:
    """Delete it with its credentials, and the access tokens of its users.

    Raises UnknownHomeserver, StillNeeded.
    """
    row = changing.find(session, name)
    if needed_by := find_dependencies(session, now, name):
        raise StillNeeded(name, needed_by)
    ended = rows.delete(session, AccessToken, _is_there(AccessToken.user_id, name))
    for table in (HomeserverCredential, HomeserverModule):
        rows.delete(session, table, table.homeserver == name)
    health_models.forget(session, name)
    rows.delete(session, RefusalCount, RefusalCount.homeserver == name)
    breakers = [key_of(name, each) for each in Interface]
    rows.delete(session, HomeserverBreaker, HomeserverBreaker.key.in_(breakers))
    facts = {"url": row.url, "label": row.label, "ended_tokens": ended}
    session.delete(row)
    session.flush()
    journal.write(session, now, who, action="homeserver.remove", subject=name, facts=facts)


def _dependencies(session: Session, now: datetime, name: str) -> Iterator[str]:
    patterns = rules_naming(session, name)
    if patterns:
        more = len(patterns) - MAX_NAMED
        named = ", ".join(patterns[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
        yield f"rules that lead there: {len(patterns)} ({named})"
    counted = {
        "accounts there": rows.count(session, Account.homeserver == name),
        "addresses bound to its users": rows.count(session, _is_there(Association.user_id, name)),
        "verified addresses of its users": rows.count(
            session, _is_there(VerifiedAddress.user_id, name)
        ),
        "invitations by its users or to them that have not ended": rows.count(
            session, _is_unfinished(now, name)
        ),
        "lists of its users that are being sent": rows.count(
            session,
            _is_there(BulkInvite.owner, name),
            BulkInvite.state == BulkInviteState.SENDING,
        ),
        "accounts being made there": rows.count(
            session, AccountAttempt.homeserver == name, AccountAttempt.state.in_(UNFINISHED)
        ),
        "jobs held for it": rows.count(session, Job.held_by == standing.key_of(name)),
    }
    for what, count in counted.items():
        if count:
            yield f"{what}: {count}"


def _is_unfinished(now: datetime, name: str) -> ColumnElement[bool]:
    table = ThirdPartyInvitation
    is_live = third_party_invitations.is_live(now)
    is_on_its_way = table.delivery.in_((Delivery.DUE, Delivery.SENDING))
    return or_(
        _is_there(table.sender, name) & or_(is_live, is_on_its_way),
        _is_there(table.invitee, name) & is_on_its_way,
    )


def _is_there(
    user_id: InstrumentedAttribute[str] | InstrumentedAttribute[str | None], name: str
) -> ColumnElement[bool]:
    return user_id.endswith(f":{name}", autoescape=True)
