"""What still needs an old link key or storage key, before it is taken out of the settings."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from pydantic import SecretStr
from sqlalchemy.orm import Session

from identity.core import key_uses, rows
from identity.core.keyed_hashes import KeyedHashes
from identity.core.sealing import Vault, is_boxed
from identity.homeservers import models as homeservers, secrets as homeserver_secrets
from identity.invitations import models as third_party_invitations
from identity.invitations.models import ThirdPartyInvitation
from identity.keys import service as signing_keys
from identity.keys.fingerprints import fingerprint
from identity.keys.key_sets import Keys, KeySet

LINKS = timedelta(days=30)  # a link of an invitation; codes, cookies and other links live shorter


def find_needs(
    session: Session,
    now: datetime,
    keys: Keys,
    *,
    which: str,
    hashes: KeyedHashes,
    leaked: bool = False,
) -> list[str]:
    """One sentence for each thing that needs this key, by its fingerprint; empty if nothing does.

    `leaked`: links that it signed are to end, so they do not count.
    """
    if keys.key_set is KeySet.LINK:
        links = [] if leaked else list(_needs_of_links(session, now, which))
        return [*links, *_needs_of_hashes(session, hashes)]
    others = [text for text in keys.texts if fingerprint(SecretStr(text)) != which]
    return list(_needs_of_secrets(session, Vault([SecretStr(text) for text in others])))


def _needs_of_links(session: Session, now: datetime, which: str) -> Iterator[str]:
    last = key_uses.last_active(session, KeySet.LINK, which)
    if last is None:
        yield (
            f"No process has recorded yet when {which} was last in use: start this version, "
            "and wait 30 days"
        )
        return
    if now < last + LINKS:
        yield (
            f"Links that {which} signed are in mails since {last:%Y-%m-%d %H:%M}Z or later, and live "
            f"for 30 days: retire it after {last + LINKS:%Y-%m-%d %H:%M}Z, or now with --leaked"
        )
    standing = rows.count(
        session, third_party_invitations.is_live(now), ThirdPartyInvitation.created_at <= last
    )
    if standing and now >= last + LINKS:
        yield (
            f"{standing} invitations still stand that were extended since {which} signed their "
            "links: wait for their end, or retire it now with --leaked"
        )


def _needs_of_hashes(session: Session, hashes: KeyedHashes) -> Iterator[str]:
    if unsettled := hashes.unsettled(session):
        yield (
            f"{unsettled} opt-outs and the like are found by the present link keys alone: "
            "run guichet db upgrade first"
        )


def _needs_of_secrets(session: Session, others: Vault) -> Iterator[str]:
    """`others`: opens with all storage keys but this one."""
    closed = signing_keys.count_closed(session, others)
    for homeserver in homeservers.find_all(session):
        for field in homeserver_secrets.FIELDS:
            sealed = getattr(homeserver, field)
            if sealed is not None and not is_boxed(sealed):
                closed += others.is_closed(sealed)
    if closed:
        yield (
            f"{closed} secrets in the database are sealed with it, or with no key that is here: "
            "run guichet keys reseal first, and look at guichet keys status"
        )
