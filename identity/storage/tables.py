"""Every table, for the migrations to compare with."""

from . import (
    accounts,
    associations,
    credentials,
    homeservers,
    journal,
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
    journal,
    mails,
    outbox,
    rules,
    verification_requests,
)
