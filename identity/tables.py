"""Imports the modules of all tables, so that `METADATA` is complete for migrations."""

from typing import Final

from identity.accounts import (
    agents,
    feed_state,
    models as accounts,
    room_members,
    session_models,
    successions,
    verified_addresses,
)
from identity.bulk_invites import models as bulk_invites, room_check_models, sign_in_models
from identity.core import journal, keyed_hashes, outbox, worker_heartbeats
from identity.core.database import Base
from identity.core.one_time_codes import models as stored_codes
from identity.homeservers import (
    breakers as homeserver_breakers,
    credentials,
    models as homeservers,
    module_models,
)
from identity.invitations import (
    history as invitation_events,
    models as third_party_invitations,
    mute_models,
)
from identity.keys import models as stored_keys
from identity.mail import models as mails, suppressions
from identity.registration import models as account_attempts
from identity.routing import address_list_models, models as rules
from identity.sign_up import models as verification_requests
from identity.synapse_api import report_models
from identity.threepids import (
    account_models as identity_accounts,
    associations,
    peppers,
    validation_sessions,
)

METADATA: Final = Base.metadata
TABLES: Final = (
    account_attempts,
    accounts,
    address_list_models,
    agents,
    associations,
    bulk_invites,
    credentials,
    feed_state,
    keyed_hashes,
    homeserver_breakers,
    homeservers,
    identity_accounts,
    invitation_events,
    journal,
    mails,
    module_models,
    mute_models,
    outbox,
    peppers,
    report_models,
    room_check_models,
    room_members,
    rules,
    session_models,
    sign_in_models,
    stored_codes,
    stored_keys,
    successions,
    suppressions,
    third_party_invitations,
    validation_sessions,
    verification_requests,
    verified_addresses,
    worker_heartbeats,
)
