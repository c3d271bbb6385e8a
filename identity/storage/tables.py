"""Every table, for the migrations to compare with."""

from . import (
    accounts,
    associations,
    credentials,
    homeservers,
    mails,
    outbox,
    rules,
    verification_requests,
)

TABLES = (
    accounts,
    associations,
    credentials,
    homeservers,
    mails,
    outbox,
    rules,
    verification_requests,
)
