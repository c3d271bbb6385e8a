"""What is stored of a person's sign-up: the requests to verify their address."""

from collections.abc import Iterator

from sqlalchemy import select

from identity.core.outbox import Job
from identity.core.personal_data import Erasure, Record, View, happened
from identity.core.story import Events, events

from .models import VerificationRequest


def records_of(view: View) -> Iterator[Record]:
    """The requests of all browsers, oldest first."""
    mine = VerificationRequest.address.in_(view.person.addresses)
    found = select(VerificationRequest).where(mine).order_by(VerificationRequest.created_at)
    for request in view.session.scalars(found):
        browser = request.device or "a browser"
        yield Record(
            "verification_requests",
            {
                "id": str(request.id),
                "address": request.address,
                "browser": request.device,
                "language": request.language,
                "state": request.state,
                "homeserver": request.homeserver,
                "asked_at": request.created_at,
                "last_mail_asked_at": request.asked_at,
                "mail_at": request.mail_at,
                "confirmed_at": request.confirmed_at,
                "cancelled_at": request.cancelled_at,
                "refused_at": request.refused_at,
                "ends_at": request.expires_at,
            },
            happened(
                (request.created_at, f"address typed in {browser}"),
                (request.confirmed_at, f"address verified in {browser}"),
                (request.cancelled_at, f"request cancelled in {browser}"),
                (request.refused_at, "“this was not me”, with the code, in another browser"),
            ),
        )


def events_of(view: View) -> Iterator[Events]:
    """What was done in each browser: asked, verified, cancelled, disowned."""
    row = VerificationRequest
    mine = row.address.in_(view.person.addresses)
    for what, at in (
        ("request-asked", row.created_at),
        ("request-verified", row.confirmed_at),
        ("request-cancelled", row.cancelled_at),
        ("request-not_me", row.refused_at),
    ):
        yield events(what, at, row.id, mine, detail=row.device)


def erase(erasure: Erasure) -> None:
    """Delete the requests, with the jobs that probe a homeserver for them."""
    mine = VerificationRequest.address.in_(erasure.person.addresses)
    requests = select(VerificationRequest.id).where(mine)
    erasure.delete("jobs", Job, Job.subject_id.in_(requests))
    erasure.delete("verification_requests", VerificationRequest, mine)
