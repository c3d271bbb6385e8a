"""An account ends, or loses its last address: what was opened in its name closes in the same transaction."""

from datetime import datetime

from sqlalchemy.orm import Session

from identity.threepids import account_models as identity_accounts
from identity.threepids import associations

from . import room_members, verified_addresses
from . import session_models as people_sessions


def end_account(session: Session, now: datetime, user_id: str) -> None:
    """The account is no more, by its homeserver's word, an operator's, or because it is erased.

    Its addresses are free, its identity tokens and its sessions here are over, and what its
    homeserver gave out before makes no new ones.
    """
    identity_accounts.lock(session, user_id)
    for association in associations.of_user(session, user_id):
        associations.unbind(session, address=association.address, user_id=user_id)
    verified_addresses.remove_all(session, user_id)
    identity_accounts.end_all(session, user_id)
    identity_accounts.note_end(session, now, user_id)
    people_sessions.end_all(session, now, user_id)
    room_members.gone(session, user_id)


def address_gone(session: Session, now: datetime, user_id: str) -> None:
    """The homeserver took an address away. With the last one the identity tokens end."""
    left = {each.address for each in associations.of_user(session, user_id)}
    left |= set(verified_addresses.of_user(session, user_id))
    if not left:
        identity_accounts.end_all(session, user_id)
    people_sessions.end_all(session, now, user_id, but_at=left)


def unpublished(session: Session, user_id: str) -> None:
    """The homeserver withdrew an association, as it does of every one when the account ends.

    Where it has no module of ours nothing else tells of that end. Who lives on signs in again by itself.
    """
    if not associations.of_user(session, user_id):
        identity_accounts.end_all(session, user_id)
