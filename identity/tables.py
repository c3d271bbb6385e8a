"""Every table: importing this module puts all of them into the metadata that migrations are compared with."""

from typing import Final

from identity.accounts import agents as agents_feed
from identity.accounts import feed_state, room_members, successions, verified_addresses
from identity.accounts import models as accounts
from identity.accounts import session_models as people_sessions
from identity.bulk_invites import models as people_lists
from identity.bulk_invites import room_check_models as room_checks
from identity.bulk_invites import sign_in_models as sign_ins
from identity.core import hashing_key, journal, outbox, worker_heartbeats
from identity.core.database import Base
from identity.core.one_time_codes import models as one_time_codes
from identity.homeservers import breakers as homeserver_breakers
from identity.homeservers import credentials
from identity.homeservers import models as homeservers
from identity.homeservers import module_models as homeserver_modules
from identity.invitations import history as invitation_events
from identity.invitations import models as third_party_invitations
from identity.invitations import mute_models as mutes
from identity.keys import models as signing_keys
from identity.mail import models as mails
from identity.mail import suppressions
from identity.registration import models as account_attempts
from identity.routing import address_list_models as address_lists
from identity.routing import models as rules
from identity.sign_up import models as verification_requests
from identity.synapse_api import report_models as module_reports
from identity.threepids import account_models as identity_accounts
from identity.threepids import associations, peppers, validation_sessions

METADATA: Final = Base.metadata
TABLES: Final = (
    account_attempts,
    accounts,
    address_lists,
    agents_feed,
    associations,
    credentials,
    feed_state,
    hashing_key,
    homeserver_breakers,
    homeserver_modules,
    homeservers,
    identity_accounts,
    invitation_events,
    journal,
    sign_ins,
    mails,
    module_reports,
    mutes,
    one_time_codes,
    outbox,
    people_lists,
    people_sessions,
    peppers,
    verified_addresses,
    room_checks,
    room_members,
    rules,
    signing_keys,
    successions,
    suppressions,
    third_party_invitations,
    validation_sessions,
    verification_requests,
    worker_heartbeats,
)
