"""What decides whether a third-party invitation is taken, read by one statement.

Each further statement would cost more than what it asks for. It is written once, when the module is
loaded, with names for what a request brings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Executable, Select, bindparam, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from domain_rules.user_ids import homeserver_in
from identity.core.database import UtcDateTime
from identity.core.gathered import times_of
from identity.freezes.models import Freeze, Freezes, is_in_force
from identity.homeservers import models as homeservers
from identity.homeservers.models import Homeserver
from identity.homeservers.module_models import HomeserverModule
from identity.keys.models import StoredKey
from identity.threepids import associations
from identity.threepids.associations import Association

from . import history as invitation_events, models as third_party_invitations, mute_models as mutes
from .block_models import InviterBlock
from .models import ThirdPartyInvitation


@dataclass(frozen=True)
class PublicKey:
    """The public half of a signing key."""

    key_id: str
    public: str


@dataclass(frozen=True)
class RequestFacts:
    """What is known of a sender, an address and a room.

    bound: the user ID that has the address. module: that of the sender's homeserver. live: the live
    invitation of this address to this room by this sender. reported: when people reported the sender
    as unknown, by mutes and by declined invitations, oldest first. full_since: of the invitations and
    of the mails that count in the sender's quota, the time of the last but the quota, if there are as
    many. signing_key: the one that signs; None before the first.
    """

    freezes: Freezes
    homeservers: dict[str, Homeserver]
    bound: str | None
    block: InviterBlock | None
    module: HomeserverModule | None
    live: ThirdPartyInvitation | None
    reported: tuple[list[datetime], list[datetime]]
    full_since: tuple[datetime | None, datetime | None]
    signing_key: PublicKey | None


def find_all(
    session: Session,
    now: datetime,
    *,
    sender: str,
    room_id: str,
    addresses: Mapping[str, str],
    reported: timedelta,
) -> dict[str, RequestFacts]:
    """Of an invitation to each of these addresses, what `find` reads for one, but no quota.

    `addresses`: where the rules send each, or empty. To store invitations call it under their locks.
    """
    first, goes_to = next(iter(addresses.items()))
    common = find(
        session,
        now,
        sender=sender,
        address=first,
        room_id=room_id,
        address_homeserver=goes_to,
        for_guest=True,
        quota=1,
        counted=timedelta(),
        reported=reported,
    )
    at = {each.name: each for each in homeservers.find_these(session, {*addresses.values()})}
    bound = associations.find_by_addresses(session, addresses)
    its = ThirdPartyInvitation
    own = (its.address.in_(addresses), its.room_id == room_id, its.sender == sender)
    stored = select(its).where(*own, third_party_invitations.is_live(now)).order_by(its.created_at)
    live = {each.address: each for each in session.scalars(stored)}  # the newest of each
    return {
        each: replace(
            common,
            homeservers=common.homeservers | at,
            bound=bound.get(each),
            live=live.get(each),
            full_since=(None, None),
        )
        for each in addresses
    }


def _time(name: str) -> BindParameter[datetime]:
    return bindparam(name, type_=UtcDateTime)


def _statement() -> Executable:
    row, since = aliased(ThirdPartyInvitation), _time("counted_since")
    sender: BindParameter[str] = bindparam("sender")
    live = (
        select(row.id)
        .where(
            row.address == bindparam("address"),
            row.room_id == bindparam("room_id"),
            row.sender == sender,
            third_party_invitations.is_live(_time("now"), row),
        )
        .order_by(row.created_at.desc())
        .limit(1)
    )
    created = third_party_invitations.creation_times(
        sender, since, for_guest=bindparam("for_guest")
    )
    mailed = invitation_events.mailed_times(sender, since, for_guest=bindparam("for_guest"))
    of_either = or_(
        Homeserver.name == bindparam("sender_homeserver"),
        Homeserver.name == bindparam("address_homeserver"),
    )
    is_hers = HomeserverModule.homeserver == bindparam("sender_homeserver")
    is_bound = (Association.medium == "email") & (Association.address == bindparam("address"))
    newest_key = select(func.max(StoredKey.number)).scalar_subquery()
    return (
        select(
            Freeze,
            Homeserver,
            InviterBlock,
            HomeserverModule,
            live.scalar_subquery(),
            Association.user_id,
            StoredKey.key_id,
            StoredKey.public_key,
            times_of(mutes.times(sender, _time("reported_since"))),
            times_of(invitation_events.times_unknown(sender, _time("reported_since"))),
            _last_but(created).scalar_subquery(),
            _last_but(mailed).scalar_subquery(),
        )
        .select_from(select(literal(1).label("row")).subquery("request"))
        .outerjoin(Freeze, is_in_force(_time("now")))
        .outerjoin(Homeserver, of_either)
        .outerjoin(InviterBlock, InviterBlock.user_id == sender)
        .outerjoin(HomeserverModule, is_hers)
        .outerjoin(Association, is_bound)
        .outerjoin(StoredKey, StoredKey.number == newest_key)
    )


def _last_but(times: Select[Any]) -> Select[Any]:
    (time,) = times.selected_columns
    newest_first = times.order_by(None).order_by(time.desc())
    return newest_first.offset(bindparam("others")).limit(1).correlate(None)


STATEMENT = _statement()


def find(
    session: Session,
    now: datetime,
    *,
    sender: str,
    address: str,
    room_id: str,
    address_homeserver: str,
    for_guest: bool,
    quota: int,
    counted: timedelta,
    reported: timedelta,
) -> RequestFacts:
    """Read them. To store an invitation call it under the locks of `store_invite.look`.

    `address_homeserver`: where the rules send the address, or empty. `quota`: how many invitations
    of guests, or of agents, count within the time `counted`. `reported`: how long a report counts.
    """
    asked: dict[str, Any] = {"sender": sender, "address": address, "room_id": room_id}
    asked |= {"sender_homeserver": homeserver_in(sender), "address_homeserver": address_homeserver}
    asked |= {"for_guest": for_guest, "others": quota - 1, "now": now}
    asked |= {"counted_since": now - counted, "reported_since": now - reported}
    found = session.execute(STATEMENT, asked).all()
    _, _, block, module, live, bound, key_id, public, muted, unknown, created, mailed = found[0]
    in_force = {each.key: each for each, *_ in found if each is not None}
    return RequestFacts(
        freezes=Freezes(tuple(in_force.values())),
        homeservers={each.name: each for _, each, *_ in found if each is not None},
        bound=bound,
        block=block,
        module=module,
        # Seldom is there one: its columns would make every answer twice as wide.
        live=session.get(ThirdPartyInvitation, live) if live else None,
        reported=(muted, unknown),
        full_since=(created, mailed),
        signing_key=PublicKey(key_id, public) if key_id else None,
    )
