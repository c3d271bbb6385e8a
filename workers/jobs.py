"""Which function carries out which kind of job. The network is there; no transaction is open around it."""

from collections.abc import Callable
from functools import partial

from identity.bulk_invites.jobs import room_checks, rows
from identity.core.job_outcomes import Note
from identity.core.outbox import Errand, OutboxEntry
from identity.invitations.jobs import onbind, revocation, room_agreement
from identity.mail import jobs as mails
from identity.mail_kinds import kind_of
from identity.registration.jobs import accounts, probe
from identity.services import WorkerServices

CARRY_OUT: dict[Errand, Callable[[WorkerServices, OutboxEntry], Note]] = {
    Errand.MAIL: partial(mails.send, kind_of=kind_of),
    Errand.SERVER_PROBE: probe.probe_server,
    Errand.ONBIND: onbind.deliver,
    Errand.REVOCATION: revocation.empty_room,
    Errand.LIST_ROW: rows.send_row,
    Errand.ROOM_LOOK: room_checks.look,
    Errand.ROOM_TOOK: room_agreement.see,
    Errand.ACCOUNT: accounts.make,
}
