"""`/freezes`: what is stopped now, and to stop more. To let it go on takes a person."""

from typing import Any, Final, Literal

from sqlalchemy.orm import Session

from identity.freezes import models as freezes, service, views
from identity.freezes.models import Frozen
from identity.operators import notices
from identity.operators.kept_answers import Answer
from identity.operators.roles import Deed
from identity.problems import ScopeNeeded
from identity.web.json_body import Text
from identity.web.request_context import services

from . import frame, guards, reading

PAGE: Final = "/admin/incidents"


class NewFreeze(frame.Said):
    """The body of POST /freezes."""

    what: Literal["sign-ups", "invitations", "mails", "domain", "console"]
    until: Text
    domain: Text = ""


@frame.reads("/freezes", Deed.SEE)
def list_freezes(session: Session) -> dict[str, Any]:
    """What is frozen now. There are few."""
    found = freezes.find_in_force(session, services.now())
    return {"items": [views.describe(each) for each in found.each], "next": None}


@frame.writes("/freezes", Deed.FREEZE, NewFreeze)
def begin_freeze(session: Session, given: NewFreeze) -> Answer:
    """Freeze it until then; what is frozen already lasts until then, and never shorter."""
    now = services.now()
    what, domain = Frozen(given.what), _domain(given)
    who = guards.actor(given.reason)
    until = reading.end("until", given.until, now)
    with guards.stopping(PAGE):
        made = service.freeze(
            session, now, who, what, domain=domain, until=until, may_shorten=False
        )
    notices.tell_of_stop(session, now, who, f"{what} {domain}".rstrip(), ends_at=until)
    return frame.created(views.describe(made), "/freezes")


frame.in_console("/freezes/<what>/thaw", "thaw", Deed.THAW, PAGE)


def _domain(given: NewFreeze) -> str:
    """The domain in A-labels. Raises WrongParameter, ScopeNeeded."""
    if Frozen(given.what) is not Frozen.DOMAIN:
        if given.domain:
            raise frame.wrong("domain", "Only a freeze of a domain names one.")
        if not guards.program().scope.is_all:
            raise ScopeNeeded
        return ""
    domain = reading.domain("domain", given.domain)
    reading.check_domain_in_scope(domain, with_below=True)
    return domain
