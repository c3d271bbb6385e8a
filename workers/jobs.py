"""Maps each kind of job to the function that carries it out.

The functions may use the network; no transaction is open around them.
"""

from collections.abc import Callable
from functools import partial

from identity.bulk_invites.jobs import lists, room_checks, rows
from identity.core.job_outcomes import RecordOutcome
from identity.core.outbox import Job, JobKind
from identity.domain_requests import jobs as domain_requests
from identity.health import jobs as health
from identity.invitations.jobs import lost, onbind, revocation, room_agreement
from identity.mail.jobs import sending as mails
from identity.mail_kinds import kind_of
from identity.registration.jobs import accounts, looks, probe
from identity.rule_changes import jobs as rule_changes
from identity.services import WorkerServices

CARRY_OUT: dict[JobKind, Callable[[WorkerServices, Job], RecordOutcome]] = {
    JobKind.MAIL: partial(mails.send_mail, kind_of=kind_of),
    JobKind.SERVER_PROBE: probe.probe_homeserver,
    JobKind.ONBIND: onbind.deliver,
    JobKind.REVOCATION: revocation.empty_room,
    JobKind.LIST_ROW: rows.send_row,
    JobKind.LIST_WORK: lists.work_on_list,
    JobKind.ROOM_LOOK: room_checks.check_room,
    JobKind.ROOM_TOOK: room_agreement.ask_room,
    JobKind.ACCOUNT: accounts.make_account,
    JobKind.LOST_INVITATION: lost.empty_room,
    JobKind.ACCOUNT_LOOK: looks.look_for_account,
    JobKind.HEALTH: health.carry_out_look,
    JobKind.JOURNAL_CHECK: health.carry_out_journal_check,
    JobKind.CHANGE_CHECK: rule_changes.check_change,
    JobKind.CHANGE_APPLY: rule_changes.apply_change,
    JobKind.CHANGE_APPLIED: domain_requests.settle_applied,
    JobKind.CHANGE_REVIEW: rule_changes.remind_of_review,
    JobKind.RULE_IMPORT: rule_changes.read_rule_file,
    JobKind.DOMAIN_EVIDENCE: domain_requests.collect_evidence,
    JobKind.DOMAIN_PROOF: domain_requests.look_for_proof,
}
