"""What is stored of the attempts to make a person's account."""

from collections.abc import Iterator

from sqlalchemy import Select, select

from identity.core.outbox import Job
from identity.core.personal_data import Erasure, Record, View, happened
from identity.core.story import Events, events
from identity.sign_up.models import VerificationRequest

from .models import AccountAttempt, TypedPassword


def records_of(view: View) -> Iterator[Record]:
    """The newest attempt of each request; never a password."""
    found = select(AccountAttempt).where(AccountAttempt.request_id.in_(_requests(view)))
    for attempt in view.session.scalars(found.order_by(AccountAttempt.begun_at)):
        yield Record(
            "account_attempts",
            {
                "homeserver": attempt.homeserver,
                "display_name": attempt.display_name,
                "language": attempt.language,
                "state": attempt.state,
                "begun_at": attempt.begun_at,
                "called_at": attempt.called_at,
            },
            happened(
                (attempt.begun_at, f"account asked for on {attempt.homeserver}: {attempt.state}"),
                (attempt.called_at, f"{attempt.homeserver} called to make the account"),
            ),
        )


def events_of(view: View) -> Iterator[Events]:
    """When an account was asked for, and how that stands."""
    row = AccountAttempt
    mine = row.request_id.in_(_requests(view))
    yield events(
        "attempt-begun", row.begun_at, row.id, mine, place=row.homeserver, detail=row.state
    )


def erase(erasure: Erasure) -> None:
    """Delete the attempts, passwords and jobs. Call it before the requests are deleted.

    A homeserver that is being called may still make the account; it is then unknown here.
    """
    mine = AccountAttempt.request_id.in_(_requests(erasure))
    attempts = select(AccountAttempt.id).where(mine)
    erasure.delete("typed_passwords", TypedPassword, TypedPassword.attempt_id.in_(attempts))
    erasure.delete("jobs", Job, Job.subject_id.in_(attempts))
    erasure.delete("account_attempts", AccountAttempt, mine)


def _requests(view: View) -> Select[object]:
    return select(VerificationRequest.id).where(
        VerificationRequest.address.in_(view.person.addresses)
    )
