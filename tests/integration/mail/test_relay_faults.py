"""Every fault of a relay, through the worker: the mail leaves later, or is refused and told; one that came twice is marked."""

from collections import Counter
from dataclasses import replace

import pytest

from identity.core import metrics, outbox
from identity.core.outbox import Lane
from identity.mail import models as mails
from identity.mail.models import MailState
from identity.mail.outcomes import Outcome
from identity.mail.relay import SmtpMailer
from identity.mail.relay_url import read_relay_url
from tests.services.certificates import EXPIRED
from tests.worlds.worker import *
from workers import tasks

from .test_mailer_faults import HANG_UP, server

__all__ = ["server"]

pytestmark = pytest.mark.faults

REPLIES = {
    "421 4.3.2 closing": Outcome.RELAY_DOWN,
    "421 4.7.0 too many": Outcome.THROTTLE,
    "450 4.2.0 greylisted": Outcome.DEFER,
    "451 4.7.1 greylisted": Outcome.DEFER,
    "452 4.2.2 mailbox full": Outcome.MAILBOX_FULL,
    "550 5.1.1 no such mailbox": Outcome.NO_MAILBOX,
    "553 5.1.3 bad mailbox": Outcome.REFUSED,
    "554 5.7.1 spam": Outcome.BLOCKED,
}
FINAL = {Outcome.NO_MAILBOX, Outcome.REFUSED, Outcome.BLOCKED}
TALKS = {
    "never greets": ({"greeting": "220 |and no more"}, Outcome.RELAY_DOWN),
    "hangs up at once": ({"greeting": HANG_UP}, Outcome.RELAY_DOWN),
    "closes after 354": ({"DATA": f"354 go on|{HANG_UP}"}, Outcome.UNKNOWN),
    "refuses STARTTLS": (
        {"EHLO": "250-here\r\n250 STARTTLS", "STARTTLS": "454 4.7.0 not now"},
        Outcome.RELAY_DOWN,
    ),
}


class Through:
    """The worker, once with the broken relay and once with `well`, which takes everything."""

    def __init__(self, services, clock, well, record_fault) -> None:
        self.services, self.clock, self.well, self.record = services, clock, well, record_fault
        self.made: list[SmtpMailer] = []

    def mailer(self, port: int, options: str = "tls=none", **limits: float) -> SmtpMailer:
        url = read_relay_url(f"smtp://localhost:{port}?{options}")
        relay = replace(url, timeout=limits.get("timeout", 20.0))
        self.made.append(SmtpMailer(relay, command_timeout=limits.get("command", 20.0)))
        return self.made[-1]

    def run(self, mailer: SmtpMailer) -> None:
        tasks.run_lane(replace(self.services, mailer=mailer), Lane.URGENT)

    def look(self):
        with self.services.database.reading() as session:
            mail = next(each for each in mails.find_recent(session) if each.template == "verify")
            return mail, outbox.find_by_subject(session, mail.id)

    def suffer(self, name: str, broken: SmtpMailer, outcome: Outcome, *, mended=None) -> None:
        """The fault, what became of the mail, and the next try: `mended` says that it is over."""
        before = count_of(outcome)
        self.run(broken)
        mail, job = self.look()
        assert mail.outcome == outcome
        assert count_of(outcome) == before + 1
        said, seconds = f'guichet_mails_total{{outcome="{outcome}"}}', None
        if outcome in FINAL:
            assert (mail.state, job.gave_up_at) == (MailState.REFUSED, self.clock())
            said += "; refused, and their page says so"
        else:
            assert (mail.state, job.gave_up_at) == (MailState.WAITING, None)
            seconds = (job.due_at - self.clock()).total_seconds()
            said += "; seconds until the next try"
            if mended:
                mended()
            self.clock.time = job.due_at
            self.run(self.mailer(self.well.port))
            mail, job = self.look()
            assert (mail.state, job.done_at) == (MailState.HANDED, self.clock())
        copies = Counter(message["Message-ID"] for message in self.well.messages)
        assert len(copies) == (0 if outcome in FINAL else 1)
        doubled = sum(count - 1 for count in copies.values())
        assert doubled <= job.uncertain, "what came twice is marked"
        self.record(
            f"relay: {name}", tried=1, survived=1, doubled=doubled, seconds=seconds, said=said
        )


def count_of(outcome: Outcome) -> float:
    """What guichet_mails_total says."""
    samples = (sample for metric in metrics.MAILS.collect() for sample in metric.samples)
    return sum(each.value for each in samples if each.labels.get("outcome") == outcome)


@pytest.fixture
def database_url(sqlite_url) -> str:
    """What the relay does is the same on either database."""
    return sqlite_url


@pytest.fixture
def through(services, request_, clock, smtp_server, record_fault):
    through = Through(services, clock, smtp_server, record_fault)
    yield through
    for mailer in through.made:
        mailer.close()


@pytest.mark.parametrize(("reply", "outcome"), REPLIES.items(), ids=REPLIES)
def test_a_reply_to_the_recipient(through, request_, smtp_server, reply, outcome):
    smtp_server.replies[request_.address] = reply
    broken = through.mailer(smtp_server.port)
    through.suffer(f"says {reply}", broken, outcome, mended=smtp_server.replies.clear)
    assert len(smtp_server.messages) == (0 if outcome in FINAL else 1)


@pytest.mark.parametrize("name", TALKS)
def test_a_relay_that_talks_wrongly(through, server, name):
    answers, outcome = TALKS[name]
    options = "tls=starttls" if "STARTTLS" in answers else "tls=none"
    # The others answer, on a busy machine after a while: what became of the mail is known then.
    limits = {"command": 0.5} if name == "never greets" else {}
    through.suffer(name, through.mailer(server(**answers).port, options, **limits), outcome)
    assert len(through.well.messages) == (0 if outcome in FINAL else 1)


def test_nobody_listens(through, smtp_server):
    smtp_server.stop()
    broken = through.mailer(smtp_server.port)
    through.suffer("is not there", broken, Outcome.RELAY_DOWN, mended=smtp_server.start)
    assert len(smtp_server.messages) == 1


def test_it_stalls_after_the_mail(through, smtp_server):
    smtp_server.delay_after_taking = 30.0
    broken = through.mailer(smtp_server.port, timeout=4.0)

    def mended():
        smtp_server.delay_after_taking = 0.0

    through.suffer("takes the mail and stalls", broken, Outcome.UNKNOWN, mended=mended)
    first, second = smtp_server.messages
    assert first["Message-ID"] == second["Message-ID"]


def test_it_hangs_up_after_the_mail(through, smtp_server):
    smtp_server.drops_after_data = True
    broken = through.mailer(smtp_server.port)

    def mended():
        smtp_server.drops_after_data = False

    through.suffer("takes the mail and hangs up", broken, Outcome.UNKNOWN, mended=mended)
    first, second = smtp_server.messages
    assert first["Message-ID"] == second["Message-ID"]


def test_starttls_is_missing_or_stripped(through, smtp_server):
    broken = through.mailer(smtp_server.port, "tls=starttls")
    through.suffer("STARTTLS missing or stripped", broken, Outcome.RELAY_DOWN)
    assert len(smtp_server.messages) == 1


@pytest.mark.parametrize("fault", ["expired", "for another host", "of an unknown authority"])
def test_its_certificate_is_bad(through, smtp_servers, authority, fault):
    host = "elsewhere.example" if fault == "for another host" else "localhost"
    until = {"until": EXPIRED} if fault == "expired" else {}
    relay = smtp_servers(certificate=authority.issue(host, **until))
    trusted = "" if fault == "of an unknown authority" else f"&ca_file={authority.ca_file}"
    broken = through.mailer(relay.port, f"tls=starttls{trusted}")
    through.suffer(f"its certificate is {fault}", broken, Outcome.RELAY_DOWN)
    assert not relay.deliveries
