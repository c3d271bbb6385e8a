"""What is told of a person file: one dictionary for the console, the API and `--json`."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from identity.core.keyed_hashes import KeyedHashes
from identity.core.paging import Page
from identity.core.personal_data import mask
from identity.core.story import Event

from . import files
from .files import OpenFile
from .in_short import Short
from .service import masked

WRONG_CODE = "code-wrong"


def describe_file(opened: OpenFile, short: Short | None) -> dict[str, Any]:
    """The file without its story; the person's own address and accounts are told whole.

    Shape: {"id", "address", "spellings": [text], "reason", "opened_at", "ends_at": time, "rule":
    {"class", "homeserver", "organisation": text or null, "requires_invite": boolean}, "accounts":
    [{"user_id", "homeserver", "class", "state": text, "since": time, "access_ends_at": time or
    null}], "other_accounts": [user ID], "invitations_waiting": number, "in_short": {"situation":
    text, …}, "language": text}; the last three are missing without `short`.
    """
    decision, file = opened.decision, opened.file
    told = {
        "id": str(file.id),
        "address": file.address,
        "spellings": list(file.spellings),
        "reason": file.reason,
        "opened_at": file.opened_at,
        "ends_at": file.ends_at,
        "rule": {
            "class": decision.account_class.value if decision.account_class else None,
            "homeserver": decision.homeserver,
            "organisation": decision.organisation or None,
            "requires_invite": decision.requires_invite,
        },
        "accounts": [
            {
                "user_id": each.user_id,
                "homeserver": each.homeserver,
                "class": each.account_class,
                "state": each.state,
                "since": each.ready_at or each.created_at,
                "access_ends_at": each.access_ends_at,
            }
            for each in opened.accounts
        ],
        "other_accounts": [
            each
            for each in opened.person.all_user_ids
            if each not in {account.user_id for account in opened.accounts}
        ],
    }
    if short is None:
        return told
    return told | {
        "invitations_waiting": short.invitations,
        "in_short": {"situation": short.situation.value, **short.values},
        "language": short.language,
    }


def describe_story(
    session: Session, hashes: KeyedHashes, opened: OpenFile, page: Page[Event]
) -> dict[str, Any]:
    """A page of the story: {"items": [as `describe_event`], "next": text or null}.

    Wrong codes that follow each other are one item, with the moment of the last and `times`.
    """
    items: list[dict[str, Any]] = []
    for each in page.items:
        told = describe_event(session, hashes, opened, each)
        before = items[-1] if items else told
        if items and _is_alike(told, before):
            before["times"] += 1
        else:
            items.append(told)
    return {"items": items, "next": page.following}


def describe_event(
    session: Session, hashes: KeyedHashes, opened: OpenFile, event: Event
) -> dict[str, Any]:
    """One event. Others are masked unless this file shows them.

    Shape: {"at": time, "what", "key": text, "whom", "place", "detail", "note": text or null,
    "is_masked": boolean, whether `whom` may be asked for, "times": number}.
    """
    whom, is_masked = event.whom, False
    if whom and "@" in whom and not _is_own(opened, whom):
        is_masked = not files.is_shown(session, hashes, opened.file, whom)
        whom = mask(whom) if is_masked else whom
    return {
        "at": event.at,
        "what": event.what,
        "key": event.key,
        "whom": whom,
        "is_masked": is_masked,
        "place": event.place,
        "detail": _masked(event.detail, opened),
        "note": _masked(event.note, opened),
        "times": 1,
    }


def ready_for_json(value: Any) -> Any:
    """The same with moments as ISO 8601 in UTC."""
    match value:
        case datetime():
            return value.isoformat(timespec="seconds")
        case dict():
            return {name: ready_for_json(each) for name, each in value.items()}
        case list():
            return [ready_for_json(each) for each in value]
        case _:
            return value


def _is_alike(told: dict[str, Any], before: dict[str, Any]) -> bool:
    names = {(each["what"], each["detail"]) for each in (told, before)}
    return names == {(WRONG_CODE, told["detail"])}


def _is_own(opened: OpenFile, whom: str) -> bool:
    return whom in opened.person.addresses or whom in opened.person.all_user_ids


def _masked(text: str | None, opened: OpenFile) -> str | None:
    """A text from outside: addresses of others are masked, and so are their user IDs."""
    return str(masked(text, opened.person)) if text else None
