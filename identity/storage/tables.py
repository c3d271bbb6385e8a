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
    third_party_invitations,
    validation_sessions,
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
    third_party_invitations,
    validation_sessions,
    verification_requests,
)
