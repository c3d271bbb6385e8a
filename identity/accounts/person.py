"""What is stored of a person's accounts: class, addresses, sessions, rooms, and who came after."""

from collections.abc import Collection, Iterator

from sqlalchemy import ColumnElement, literal, or_, select, union_all
from sqlalchemy.orm import Session

from identity.core import rows
from identity.core.personal_data import Erasure, Person, Record, View, happened
from identity.core.story import Events, events
from identity.threepids import associations
from identity.threepids.associations import Association, has_address

from . import agents, feed_state, models as accounts, verified_addresses
from .agents import FeedEntry
from .models import Account
from .room_members import RoomMember
from .session_models import PersonSession
from .successions import Succession
from .verified_addresses import VerifiedAddress


def user_ids_of(session: Session, address: str) -> list[str]:
    """The accounts that have this address: made by us, verified, or associated."""
    account = accounts.find_by_address(session, address)
    bound = associations.find_by_address(session, address)
    return list(
        dict.fromkeys(
            [
                *([account.user_id] if account else []),
                *([bound.user_id] if bound else []),
                *verified_addresses.users_of(session, address),
            ]
        )
    )


def addresses_of(session: Session, user_id: str) -> set[str]:
    """All addresses of an account."""
    account = accounts.find_by_user_id(session, user_id)
    return {
        *([account.address] if account else []),
        *(each.address for each in associations.find_by_user(session, user_id)),
        *verified_addresses.addresses_of(session, user_id),
    }


def addresses_by_user(session: Session, addresses: Collection[str]) -> dict[str, set[str]]:
    """The accounts that have one of these addresses, and all addresses of each."""
    tables = (
        (Account.user_id, Account.address),
        (Association.user_id, Association.address),
        (VerifiedAddress.user_id, VerifiedAddress.address),
    )
    theirs = union_all(
        select(Account.user_id).where(Account.address.in_(addresses)),
        select(Association.user_id).where(has_address(addresses)),
        select(VerifiedAddress.user_id).where(VerifiedAddress.address.in_(addresses)),
    )
    pairs = (
        select(literal(place).label("place"), user_id, address).where(user_id.in_(theirs))
        for place, (user_id, address) in enumerate(tables)
    )
    found: dict[str, set[str]] = {}
    whole = union_all(*pairs).subquery()
    for user_id, address in session.execute(
        select(whole.c.user_id, whole.c.address).order_by(whole.c.place, whole.c.user_id)
    ):
        found.setdefault(user_id, set()).add(address)
    return found


def records_of(view: View) -> Iterator[Record]:
    """Accounts, verified addresses, browser sessions, rooms, and accounts before or after."""
    session, person = view.session, view.person
    for account in session.scalars(select(Account).where(_is_of(person))):
        yield _described(account)
    proved = select(VerifiedAddress).where(_is_verified(person))
    for each in session.scalars(proved.order_by(VerifiedAddress.verified_at)):
        yield Record(
            "verified_addresses",
            {"address": each.address, "user_id": each.user_id, "since": each.verified_at},
            happened((each.verified_at, f"{each.address} verified for {each.user_id}")),
        )
    opened = select(PersonSession).where(_is_session_of(person))
    for signed in session.scalars(opened.order_by(PersonSession.created_at)):
        yield Record(
            "sessions",
            {
                "for": signed.purpose,
                "user_id": signed.user_id,
                "browser": signed.device,
                "since": signed.created_at,
                "last_used_at": signed.last_used_at,
                "ended_at": signed.ended_at,
            },
            happened(
                (
                    signed.created_at,
                    f"signed in to {signed.purpose} in {signed.device or 'a browser'}",
                ),
                (signed.ended_at, f"signed out of {signed.purpose}"),
            ),
        )
    yield from _rooms_and_successions(view)


def events_of(view: View) -> Iterator[Events]:
    """Accounts begun and made, addresses verified, browsers signed in, rooms, and successions."""
    person, row = view.person, Account
    at = {"place": row.homeserver, "detail": row.account_class}
    yield events("account-begun", row.created_at, row.id, _is_of(person), **at)
    yield events("account-made", row.ready_at, row.id, _is_of(person), **at)
    ended = row.access_ends_at <= view.now
    yield events("account-access_ended", row.access_ends_at, row.id, _is_of(person), ended)
    proved, opened = VerifiedAddress, PersonSession
    yield events("address-verified", proved.verified_at, proved.address, _is_verified(person))
    theirs = _is_session_of(person)
    yield events("session-opened", opened.created_at, opened.id, theirs, detail=opened.device)
    yield events("session-ended", opened.ended_at, opened.id, theirs, detail=opened.device)
    there = RoomMember.user_id.in_(person.user_ids)
    room = RoomMember.room_id
    yield events("room-seen", RoomMember.reported_at, room, there, place=room)
    pair = Succession
    follows, leads = pair.successor.in_(person.user_ids), pair.predecessor.in_(person.user_ids)
    yield events("account-follows", pair.noted_at, pair.predecessor, follows, whom=pair.predecessor)
    yield events("account-leads", pair.noted_at, pair.successor, leads, whom=pair.successor)


def erase(erasure: Erasure) -> None:
    """Delete the accounts that have no other mailbox, and take the address away from the others.

    The feeds begin anew, so that modules forget an agent without a row that names them.
    """
    session, person = erasure.session, erasure.person
    for user_id in person.shared_user_ids:
        _give_account_another_address(session, user_id, person)
    erasure.delete("accounts", Account, _is_of(person))
    erasure.delete("verified_addresses", VerifiedAddress, _is_verified(person))
    erasure.delete("sessions", PersonSession, _is_session_of(person))
    erasure.delete("rooms", RoomMember, RoomMember.user_id.in_(person.user_ids))
    erasure.delete("successions", Succession, _is_succession_of(person))
    guests = rows.update(session, Account, Account.sponsor.in_(person.user_ids), sponsor=None)
    if guests:
        erasure.done.ended.append(f"{guests} guests have no sponsor any more")
    for user_id in person.shared_user_ids:
        agents.mark_for_classification(session, user_id)
    _leave_feeds(erasure)


def _leave_feeds(erasure: Erasure) -> None:
    session = erasure.session
    theirs = FeedEntry.user_id.in_(erasure.person.user_ids)
    was_published = rows.is_any(session, theirs, FeedEntry.number != agents.UNPUBLISHED)
    erasure.delete("agents_of_mixed_homeservers", FeedEntry, theirs)
    if was_published:
        feed_state.begin_epoch(session, after=feed_state.lock_state(session).epoch)


def _give_account_another_address(session: Session, user_id: str, person: Person) -> None:
    """Our row of an account that goes on is moved to the oldest of its other addresses."""
    account = accounts.find_by_user_id(session, user_id)
    if account is None or account.address not in person.addresses:
        return
    for address in sorted(addresses_of(session, user_id) - set(person.addresses)):
        if accounts.find_by_address(session, address) is None:
            account.address = address
            session.flush()
            return


def _described(account: Account) -> Record:
    name = account.user_id
    ends = happened((account.access_ends_at, f"{name}: access of the guest ends"))
    return Record(
        "accounts",
        {
            "user_id": name,
            "homeserver": account.homeserver,
            "class": account.account_class,
            "address": account.address,
            "display_name": account.display_name,
            "language": account.language,
            "state": account.state,
            "begun_at": account.created_at,
            "made_at": account.ready_at,
            "sponsor": account.sponsor,
            "access_ends_at": account.access_ends_at,
        },
        (
            *happened(
                (account.created_at, f"account {name} begun"),
                (account.ready_at, f"account {name} made, {account.account_class}"),
            ),
            *ends,
        ),
    )


def _rooms_and_successions(view: View) -> Iterator[Record]:
    session, person = view.session, view.person
    there = select(RoomMember).where(RoomMember.user_id.in_(person.user_ids))
    for each in session.scalars(there.order_by(RoomMember.reported_at)):
        yield Record(
            "rooms",
            {"room": each.room_id, "user_id": each.user_id, "reported_at": each.reported_at},
            happened((each.reported_at, f"reported to be in {each.room_id}")),
        )
    for pair in session.scalars(select(Succession).where(_is_succession_of(person))):
        yield Record(
            "successions",
            {"before": pair.predecessor, "after": pair.successor, "since": pair.noted_at},
            happened(
                (pair.noted_at, f"{pair.successor} has an address that {pair.predecessor} had")
            ),
        )


def _is_of(person: Person) -> ColumnElement[bool]:
    return person.is_in(Account.address, Account.user_id)


def _is_verified(person: Person) -> ColumnElement[bool]:
    return person.is_in(VerifiedAddress.address, VerifiedAddress.user_id)


def _is_session_of(person: Person) -> ColumnElement[bool]:
    return person.is_in(PersonSession.address, PersonSession.user_id)


def _is_succession_of(person: Person) -> ColumnElement[bool]:
    return or_(
        Succession.predecessor.in_(person.user_ids), Succession.successor.in_(person.user_ids)
    )
