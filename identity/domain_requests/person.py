"""What is stored of a person in requests for domains: that they asked, what they said, and answers."""

from collections.abc import Iterator

from sqlalchemy import select

from identity.core.personal_data import Erasure, Record, View, happened
from identity.core.story import Events, events

from .models import DomainAsking, DomainMessage, DomainRequest, DomainRequester


def records_of(view: View) -> Iterator[Record]:
    """Their askings for a code, their wishes, and the answers they gave."""
    session, addresses = view.session, view.person.addresses
    askings = select(DomainAsking).where(DomainAsking.address.in_(addresses))
    for each in session.scalars(askings.order_by(DomainAsking.created_at)):
        yield Record(
            "domain_askings",
            {"address": each.address, "browser": each.device, "asked_at": each.created_at},
            happened(
                (each.created_at, "wanted a code to ask for their domain"),
                (each.used_at, "proved the mailbox to ask for their domain"),
            ),
        )
    wishes = select(DomainRequester, DomainRequest).join(
        DomainRequest, DomainRequest.id == DomainRequester.request_id
    )
    for wish, request in session.execute(
        wishes.where(DomainRequester.address.in_(addresses)).order_by(DomainRequester.created_at)
    ):
        answers = select(DomainMessage).where(DomainMessage.requester_id == wish.id)
        yield Record(
            "domain_requests",
            {
                "request": request.label,
                "domain": request.domain,
                "state": request.state,
                "address": wish.address,
                "organisation": wish.organisation,
                "position": wish.position,
                "site": wish.site,
                "people": wish.size,
                "phone": wish.phone,
                "it_contact": wish.it_contact,
                "answers": [
                    {"at": each.at, "text": each.text}
                    for each in session.scalars(answers.order_by(DomainMessage.at))
                ],
            },
            happened(
                (wish.created_at, f"asked for {request.domain} to be opened ({request.label})"),
                (wish.withdrawn_at, f"withdrew from {request.label}"),
                (wish.told_at, f"told of the decision about {request.label}"),
            ),
        )


def events_of(view: View) -> Iterator[Events]:
    """That they wanted a code, asked for a domain, answered, withdrew and were told."""
    asked, wish, said, request = DomainAsking, DomainRequester, DomainMessage, DomainRequest
    mine = asked.address.in_(view.person.addresses)
    yield events("domain-code_asked", asked.created_at, asked.id, mine, detail=asked.device)
    yield events("domain-proved", asked.used_at, asked.id, mine, detail=asked.device)
    theirs = (wish.request_id == request.id, wish.address.in_(view.person.addresses))
    yield events("domain-asked_for", wish.created_at, wish.id, *theirs, detail=request.domain)
    yield events("domain-withdrawn", wish.withdrawn_at, wish.id, *theirs, detail=request.domain)
    yield events("domain-told", wish.told_at, wish.id, *theirs, detail=request.domain)
    answered = (said.requester_id == wish.id, *theirs)
    yield events("domain-answered", said.at, said.id, *answered, detail=request.domain)


def erase(erasure: Erasure) -> None:
    """Delete what they asked for. The request stays, with its number of people."""
    addresses = erasure.person.addresses
    theirs = DomainRequester.address.in_(addresses)
    own = select(DomainRequester.id).where(theirs)
    erasure.delete("domain_answers", DomainMessage, DomainMessage.requester_id.in_(own))
    erasure.delete("domain_requests", DomainRequester, theirs)
    erasure.delete("domain_askings", DomainAsking, DomainAsking.address.in_(addresses))
