"""`/inviters` and `/mail-pauses`: who may not invite for a while, and which mails wait."""

from typing import Any

from pydantic import Field
from sqlalchemy.orm import Session

from domain_rules.user_ids import homeserver_in
from identity.core.personal_data import mask
from identity.homeservers import models as homeservers
from identity.invitations import block_models as inviter_blocks, blocks
from identity.mail import pausing
from identity.mail.views import describe_pause
from identity.operators import notices
from identity.operators.kept_answers import Answer
from identity.operators.roles import Deed
from identity.problems import NothingHere, ScopeNeeded
from identity.web.json_body import Text
from identity.web.request_context import services

from . import frame, guards, reading

MAX_USER_ID = 255  # characters, by the Matrix specification
INCIDENTS, MAILS = "/admin/incidents", "/admin/mails"  # where a person lifts them


class NewBlock(frame.Said):
    """The body of POST /inviters."""

    user_id: Text = Field(max_length=MAX_USER_ID)
    until: Text


class NewPause(frame.Said):
    """The body of POST /mail-pauses: mails of a kind, or to a domain, or both."""

    kind: Text = ""
    domain: Text = ""
    until: Text


@frame.reads("/inviters", Deed.SEE)
def list_blocked_inviters(session: Session) -> dict[str, Any]:
    """Who may not invite now, of the homeservers in the token's scope; there are few."""
    scope = guards.program().scope
    found = inviter_blocks.find_in_force(session, services.now())
    shown = [
        blocks.describe(each) | {"user_id": mask(each.user_id)}
        for each in found
        if scope.covers(homeserver=homeserver_in(each.user_id))
    ]
    return {"items": shown, "next": None}


@frame.writes("/inviters", Deed.FREEZE, NewBlock)
def block_inviter(session: Session, given: NewBlock) -> Answer:
    """Let this person invite nobody until then."""
    now, who = services.now(), guards.actor(given.reason)
    name, until = homeserver_in(given.user_id), reading.end("until", given.until, now)
    if name is None:
        raise frame.wrong("user_id", "This is not a user ID.")
    if homeservers.find(session, name) is None or not guards.program().scope.covers(
        homeserver=name
    ):
        raise NothingHere
    with guards.stopping(INCIDENTS):
        done = blocks.block(
            session,
            now,
            who,
            given.user_id,
            hashes=services.hashes,
            until=until,
            may_shorten=False,
        )
    notices.tell_of_stop(session, now, who, f"inviter {mask(given.user_id)}", ends_at=until)
    shown = blocks.describe(done.block) | {"user_id": mask(given.user_id)}
    return frame.created(shown, "/inviters")


frame.in_console("/inviters/unblock", "unblock_inviter", Deed.THAW, INCIDENTS)


@frame.reads("/mail-pauses", Deed.SEE)
def list_mail_pauses(session: Session) -> dict[str, Any]:
    """Which mails wait, and until when; there are few."""
    found = pausing.in_force(session, services.now())
    return {"items": [describe_pause(each) for each in found], "next": None}


@frame.writes("/mail-pauses", Deed.FREEZE, NewPause)
def pause_mails(session: Session, given: NewPause) -> Answer:
    """Keep back mails of a kind, or to a domain, or both, until then."""
    reading.named_in("kind", given.kind, pausing.KINDS)
    domain = reading.domain("domain", given.domain) if given.domain else ""
    if not given.kind and not domain:
        raise frame.wrong("kind", "A pause names a kind of mail, a domain, or both.")
    if domain:
        reading.check_domain_in_scope(domain)
    elif not guards.program().scope.is_all:
        raise ScopeNeeded
    now, who = services.now(), guards.actor(given.reason)
    until = reading.end("until", given.until, now)
    with guards.stopping(MAILS):
        count = pausing.pause(
            session, now, who, kind=given.kind, domain=domain, until=until, may_shorten=False
        )
    facts = {"kind": given.kind, "domain": domain, "until": until, "waiting": count}
    return frame.created(facts, "/mail-pauses")


frame.in_console("/mail-pauses/resume", "resume_mails", Deed.THAW, MAILS)
