"""Whoever adds a column of text says whether it may name a person, so that erasing forgets none."""

from sqlalchemy import JSON, String

from identity.core.keyed_hashes import KEYED_HASH
from identity.core.personal_data import ADDRESS, HASH, RECORD, TEXT, USER_ID
from identity.core.sealed_columns import SEALED
from identity.tables import METADATA

MARKS = (ADDRESS, USER_ID, TEXT, HASH, RECORD, KEYED_HASH, SEALED)
# Words of ours, names of homeservers, rooms and keys, and what leads to a person only by the row that is
# erased with them (a browser's hash, a display name). A new column of text is marked, or listed here.
IMPERSONAL = {
    "accepted_terms": {"url"},
    "account_attempts": {"homeserver", "language", "state"},
    "accounts": {
        *("homeserver", "account_class", "display_name", "language", "state", "creation_mark"),
    },
    "address_lists": {"list_name"},
    "associations": {"medium"},
    "change_effects": {"effect", "domain"},
    "change_lines": {"act", "kind"},
    "change_touches": {"homeserver"},
    "changes": {"origin", "state", "counts", "promised", "why_code"},
    "admin_tokens": {"token_hash", "roles", "organisations", "homeservers"},
    "code_alarms": {"purpose"},
    "domain_askings": {"device", "token_hash"},
    # The value of a proof is published in the DNS; its request belongs to nobody alone.
    "domain_proofs": {"value", "result", "server"},
    "domain_requesters": {"size", "language"},
    "domain_requests": {"domain", "owner", "state", "near", "near_homeserver", "refusal"},
    "feed_state": {"epoch", "judged_by"},
    "freezes": {"what", "domain", "author"},
    "homeserver_breakers": {"homeserver"},
    "homeserver_credentials": {"homeserver", "token_hash"},
    "health_findings": {"what", "state", "fix", "code"},
    "homeserver_health": {"homeserver"},
    "homeserver_modules": {"homeserver", "reports", "actions"},
    "homeservers": {
        *("name", "url", "federation_url", "ca_pem", "label", "connector", "registration_secret"),
        *("admin_token", "user_id_scheme", "class_source", "client_url"),
        *("base_url", "phone_url"),
    },
    # The key of a call is a word of the program that made it up.
    "idempotent_answers": {"key_hash", "request_hash"},
    "identity_tokens": {"token_hash"},
    "installation": {"name", "held_why", "ahead"},
    "invitation_events": {"happened"},
    "inviter_blocks": {"author"},
    # The operator's own name stands in the journal on purpose.
    "journal": {"actor", "origin", "action", "request_id", "previous_hash", "hash"},
    "journal_checks": {"head", "fault"},
    # The domain of an address, never an address.
    "journal_places": {"kind", "name"},
    "key_uses": {"key_set", "fingerprint"},
    "list_sign_ins": {"device"},
    "lookup_hashes": {"medium"},
    # What is shown of the invited person is masked by their homeserver.
    "lost_invitations": {"token", "room_id", "shown", "why"},
    "lookup_peppers": {"pepper"},
    "mail_pauses": {"kind", "domain", "author"},
    "mail_tries": {"outcome"},
    "mails": {"template", "language", "state", "outcome", "trace_id"},
    "module_refusal_counts": {"homeserver", "reason"},
    "module_refusals": {"reason"},
    "module_reports": {"homeserver", "kind", "result", "why"},
    "one_time_codes": {"purpose", "key_id", "used_by"},
    # What holds a job may be an inviter: it is let go when they are erased.
    # What an operator looks after, and where they come from.
    "operators": {
        *("language", "roles", "organisations", "homeservers", "source", "issuer", "subject"),
    },
    "operator_links": {"kind", "token_hash"},
    "operator_notices": {"what"},
    "operator_passkeys": {"credential_id", "public_key", "rp_id"},
    "operator_recovery_codes": {"code_hash"},
    "operator_sessions": {"token_hash", "device", "network"},
    "operator_sign_ins": {"device"},
    "outbox": {"errand", "lane", "homeserver", "held_by", "trace_id"},
    "passkey_challenges": {"challenge_hash", "browser_hash", "ceremony"},
    "people_list_rows": {"outcome", "caution", "step", "why"},
    # An organisation, a domain or a homeserver.
    "people_list_days": {"organisation"},
    "people_lists": {"room_id", "language", "state", "organisation"},
    "people_sessions": {"token_hash", "purpose", "device"},
    "room_looks": {"room_id", "failure"},
    "room_members": {"room_id"},
    # Others whose names were asked for, by the keyed marks of the log; deleted the day after.
    "person_files": {"shown"},
    "rule_imports": {"origin", "request_id", "state"},
    "rule_revisions": {"author"},
    "rules": {
        *("kind", "account_class", "homeserver", "protected_homeserver", "sibling_of"),
        *("moved_from", "extra_signs"),
    },
    "signing_keys": {"key_id", "public_key"},
    "sso_providers": {"issuer", "document", "keys", "fault"},
    "sso_states": {"state_hash", "browser_hash", "purpose", "nonce", "language"},
    "suppressions": {"why"},
    "third_party_invitations": {
        *("room_id", "token", "public_key", "signing_key_id", "delivery", "state", "language"),
        "awaits",
    },
    "typed_passwords": {"sealed"},
    "validation_sessions": {"secret_hash", "device", "language"},
    "verification_requests": {
        *("browser", "browser_before", "language", "state", "homeserver", "device", "refused_by"),
        "trace_id",
    },
    "timetable_runs": {"task", "error"},
    "worker_heartbeats": {
        *("worker", "key_ids", "kind", "host", "version", "schema", "fingerprints", "lanes"),
        "faults",
    },
    "wrong_code_tries": {"purpose", "near", "far"},
}


def is_marked(column) -> bool:
    return any(mark.items() <= column.info.items() for mark in MARKS)


def test_every_column_of_text_is_marked_or_known_to_name_nobody():
    unmarked = {
        table.name: {
            column.name
            for column in table.columns
            if isinstance(column.type, String | JSON) and not is_marked(column)
        }
        for table in METADATA.tables.values()
    }
    assert {name: columns for name, columns in unmarked.items() if columns} == IMPERSONAL
