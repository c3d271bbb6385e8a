"""The end of an account or of its last address: its tokens and sessions end with it."""

from datetime import datetime

from sqlalchemy.orm import Session

from identity.threepids import account_models as identity_accounts, associations

from . import room_members, session_models, verified_addresses


def end_account(session: Session, now: datetime, user_id: str) -> None:
    """End an account that its homeserver or an operator ended, or that was erased.

    Its addresses become free, its identity tokens and browser sessions end, and OpenID tokens that
    its homeserver issued before are refused.
    """
    identity_accounts.lock(session, user_id)
    for association in associations.find_by_user(session, user_id):
        associations.unbind(session, address=association.address, user_id=user_id)
    verified_addresses.remove_all(session, user_id)
    identity_accounts.end_all(session, user_id)
    identity_accounts.record_end(session, now, user_id)
    session_models.end_all(session, now, user_id)
    room_members.forget_user(session, user_id)


def end_access_by_address(session: Session, now: datetime, user_id: str) -> None:
    """End the sessions opened with an address that was removed; after the last, all tokens too."""
    left = {each.address for each in associations.find_by_user(session, user_id)}
    left |= set(verified_addresses.addresses_of(session, user_id))
    if not left:
        identity_accounts.end_all(session, user_id)
    session_models.end_all(session, now, user_id, but_at=left)


def end_tokens_if_unbound(session: Session, user_id: str) -> None:
    """End the identity tokens of a user who has no association left.

    A homeserver unbinds every address when it deactivates an account; without our module, it tells
    us of the end in no other way. If the account goes on, its clients sign in again by themselves.
    """
    if not associations.find_by_user(session, user_id):
        identity_accounts.end_all(session, user_id)
