"""Every table, for the migrations to compare with."""

from . import (
    accounts,
    address_lists,
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
    address_lists,
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
