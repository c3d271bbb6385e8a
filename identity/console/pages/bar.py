"""The bar of the console: which screens stand in it, and how much waits for the operator behind each."""

from collections.abc import Iterable
from typing import Final

from identity.console import waiting
from identity.console.waiting import MOST, Viewer, Waiting
from identity.operators.roles import Deed
from identity.operators.sessions import SignedIn
from identity.web.request_context import services

NAVIGATION: Final = (
    ("home", Deed.SEE_SELF),
    ("requests", Deed.SEE),
    ("domains", Deed.SEE),
    ("changes", Deed.SEE),
    ("homeservers", Deed.SEE),
    ("people", Deed.OPEN_PERSON),
    ("invitations", Deed.SEE),
    ("mails", Deed.SEE),
    ("journal", Deed.SEE_JOURNAL),
    ("menu", Deed.SEE_SELF),
)
"""The screens of the bar, in their order, and who sees them there."""


def viewer_of(who: SignedIn) -> Viewer:
    """For whom things wait."""
    return Viewer(who.operator_id, who.roles, who.scope)


def screens(who: SignedIn | None) -> list[str]:
    """The keys of the screens that this operator sees in the bar."""
    return [key for key, deed in NAVIGATION if who is not None and who.may(deed)]


def counts(who: SignedIn | None, found: Iterable[Waiting] | None = None) -> dict[str, str]:
    """How many requests and changes wait for this operator, by the screen's key; "99+" for more.

    Screens behind which nothing waits are left out. `found`: what waits, if the page has asked
    already; else it is one statement, or none for whom nothing can wait.
    """
    if who is None or not who.is_whole:
        return {}
    if found is None:
        with services.database.reading() as database:
            found = waiting.find_decisions(database, services.now(), viewer_of(who))
    return {
        key: many(sum(each.count for each in found if each.kind in kinds))
        for key, kinds in waiting.DECISIONS.items()
        if any(each.kind in kinds for each in found)
    }


def many(count: int) -> str:
    """A count up to its bound; "99+" for more."""
    return f"{MOST}+" if count > MOST else str(count)
