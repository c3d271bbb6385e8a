"""What `guichet doctor` says of the console's operators, approvals and API tokens."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.core.findings import Finding, State, found
from identity.operators import models as operators, service as operating
from identity.operators.models import AdminToken
from identity.operators.notices import TOKENS_END_SOON
from identity.operators.passkeys import models as passkeys
from identity.operators.passkeys.site import offered_at
from identity.operators.roles import Role
from identity.settings import Settings

WHAT: Final = "console"
ENOUGH: Final = 2  # approvers, and admins


def check_operators(session: Session, settings: Settings, now: datetime) -> Iterator[Finding]:
    """Check that somebody can sign in, that no one is alone, and that approvals are as set."""
    if settings.console == "off":
        return
    able = [
        each
        for each in operators.find_all(session)
        if each.disabled_at is None and (each.needs_second_factor or settings.is_local)
    ]
    admins = [each for each in able if Role.ADMIN in each.role_set]
    waiting = operating.find_unconfirmed(session)
    if waiting:
        yield found(WHAT, State.ATTENTION, "operators_unconfirmed", n=len(waiting))
    if not able and settings.is_embedded:
        yield found(WHAT, State.OK, "operators_embedded")
    elif not able:
        yield found(WHAT, State.ATTENTION, "operators_none")
    elif not settings.is_embedded and len(admins) < ENOUGH:
        yield found(WHAT, State.ATTENTION, "admin_alone" if admins else "admin_none")
    else:
        yield found(WHAT, State.OK, "operators", n=len(able), admins=len(admins))
    yield from _approvals(session, settings)
    yield from _passkeys(session, settings)
    yield from _tokens(session, now)


def _approvals(session: Session, settings: Settings) -> Iterator[Finding]:
    wanted = settings.approvals or ("one" if settings.is_embedded else "two")
    approvers = operators.count_approvers(session, in_trial=settings.is_local)
    if wanted == "two" and approvers < ENOUGH:
        yield found("approvals", State.ATTENTION, "approvers_few", n=approvers)


def _passkeys(session: Session, settings: Settings) -> Iterator[Finding]:
    site = offered_at(settings.console_origin, settings.service_name)
    number = passkeys.count_elsewhere(session, site.rp_id) if site else 0
    if site and number:
        yield found("passkeys", State.ATTENTION, "passkeys_elsewhere", n=number, host=site.rp_id)


def _tokens(session: Session, now: datetime) -> Iterator[Finding]:
    row = AdminToken
    ending = select(row.name).where(
        row.ended_at.is_(None), row.ends_at > now, row.ends_at <= now + TOKENS_END_SOON
    )
    names = session.scalars(ending.order_by(row.ends_at)).all()
    if names:
        days, shown = TOKENS_END_SOON.days, ", ".join(names)
        yield found("tokens", State.ATTENTION, "tokens_end", days=days, names=shown)
