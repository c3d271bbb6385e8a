"""Which function carries out which kind of job. The network is there; no transaction is open around it."""

from collections.abc import Callable
from functools import partial

from identity.bulk_invites.jobs import room_checks, rows
from identity.core.job_outcomes import Note
from identity.core.outbox import Job, JobKind
from identity.invitations.jobs import onbind, revocation, room_agreement
from identity.mail import jobs as mails
from identity.mail_kinds import kind_of
from identity.registration.jobs import accounts, probe
from identity.services import WorkerServices

CARRY_OUT: dict[JobKind, Callable[[WorkerServices, Job], Note]] = {
    JobKind.MAIL: partial(mails.send, kind_of=kind_of),
    JobKind.SERVER_PROBE: probe.probe_server,
    JobKind.ONBIND: onbind.deliver,
    JobKind.REVOCATION: revocation.empty_room,
    JobKind.LIST_ROW: rows.send_row,
    JobKind.ROOM_LOOK: room_checks.check_room,
    JobKind.ROOM_TOOK: room_agreement.ask_room,
    JobKind.ACCOUNT: accounts.make,
}
