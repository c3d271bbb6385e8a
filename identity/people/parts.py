"""Gathers what each story stores of a person: one module `person.py` in each story that does.

A story that stores something of people has such a module with `records_of`, `events_of` and
`erase`, and stands in PARTS. Erasing fails if a column that is marked as naming a person is
forgotten there.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from identity.accounts import person as accounts
from identity.bulk_invites import person as bulk_invites
from identity.core.personal_data import Erasure, Record, View
from identity.core.story import Events
from identity.domain_requests import person as domain_requests
from identity.invitations import person as invitations
from identity.mail import person as mail
from identity.operators import person as operators
from identity.registration import person as registration
from identity.sign_up import person as sign_up
from identity.synapse_api import person as synapse_api
from identity.threepids import person as threepids

from . import person as own


@dataclass(frozen=True)
class Part:
    """The functions of one story."""

    records_of: Callable[[View], Iterator[Record]]
    erase: Callable[[Erasure], None]
    events_of: Callable[[View], Iterator[Events]]


# In the order in which they erase: attempts are found by their requests.
PARTS: Final = (
    Part(registration.records_of, registration.erase, registration.events_of),
    Part(sign_up.records_of, sign_up.erase, sign_up.events_of),
    Part(invitations.records_of, invitations.erase, invitations.events_of),
    Part(bulk_invites.records_of, bulk_invites.erase, bulk_invites.events_of),
    Part(domain_requests.records_of, domain_requests.erase, domain_requests.events_of),
    Part(mail.records_of, mail.erase, mail.events_of),
    Part(threepids.records_of, threepids.erase, threepids.events_of),
    Part(accounts.records_of, accounts.erase, accounts.events_of),
    Part(synapse_api.records_of, synapse_api.erase, synapse_api.events_of),
    Part(operators.records_of, operators.erase, operators.events_of),
    Part(own.records_of, own.erase, own.events_of),
)
