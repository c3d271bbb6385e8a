"""Imports the modules of all tables, so that `METADATA` is complete.

Migrations need that, and what looks into all columns of a kind (`marked_columns`).
"""

from typing import Final

import identity.accounts.agents
import identity.accounts.feed_state
import identity.accounts.models
import identity.accounts.room_members
import identity.accounts.session_models
import identity.accounts.successions
import identity.accounts.verified_addresses
import identity.bulk_invites.models
import identity.bulk_invites.quota_models
import identity.bulk_invites.room_check_models
import identity.bulk_invites.sign_in_models
import identity.core.continuity
import identity.core.database
import identity.core.journal
import identity.core.journal_checks
import identity.core.journal_places
import identity.core.key_uses
import identity.core.keyed_hashes
import identity.core.nodes
import identity.core.one_time_codes.models
import identity.core.outbox
import identity.core.timetable_runs
import identity.domain_requests.models
import identity.freezes.models
import identity.health.finding_models
import identity.homeservers.breakers
import identity.homeservers.credentials
import identity.homeservers.health_models
import identity.homeservers.models
import identity.homeservers.module_models
import identity.invitations.block_models
import identity.invitations.history
import identity.invitations.lost
import identity.invitations.models
import identity.invitations.mute_models
import identity.keys.models
import identity.mail.models
import identity.mail.pause_models
import identity.mail.suppressions
import identity.mail.tries
import identity.operators.kept_answers
import identity.operators.kept_forms
import identity.operators.models
import identity.operators.notices
import identity.operators.passkeys.models
import identity.operators.sign_in_models
import identity.operators.sso.models
import identity.people.file_models
import identity.registration.models
import identity.routing.address_list_models
import identity.routing.models
import identity.rule_changes.change_models
import identity.rule_changes.imports
import identity.sign_up.models
import identity.synapse_api.report_models
import identity.threepids.account_models
import identity.threepids.associations
import identity.threepids.peppers
import identity.threepids.validation_sessions

METADATA: Final = identity.core.database.Base.metadata
METADATA.info[identity.core.database.ALL_TABLES] = True
