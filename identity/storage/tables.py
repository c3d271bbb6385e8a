"""Every table, for the migrations to compare with."""

from . import (
    accounts,
    address_lists,
    associations,
    credentials,
    homeservers,
    identity_accounts,
    journal,
    mails,
    outbox,
    peppers,
    rules,
    signing_keys,
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
    identity_accounts,
    journal,
    mails,
    outbox,
    peppers,
    rules,
    signing_keys,
    third_party_invitations,
    validation_sessions,
    verification_requests,
)
