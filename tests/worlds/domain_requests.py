"""Requests for domains as they wait for operators, without the people who asked."""

from identity.domain_requests.models import DomainRequest, RequestState
from tests.worlds.services import EDUCATION


def waiting_request(number, now, *, state=RequestState.OPEN, homeserver=EDUCATION):
    """D-<number>, for a domain that is most like one of this homeserver."""
    domain = f"d{number}.example"
    return DomainRequest(
        number=number,
        domain=domain,
        owner=domain,
        state=state,
        created_at=now,
        changed_at=now,
        near_homeserver=homeserver,
        evidence={},
    )
