"""`guichet mail`: the fate of mails."""

import re
import uuid

import pytest
from click.testing import CliRunner

from identity.cli.commands import guichet
from identity.core import leases, outbox
from identity.core.keyed_hashes import bounce_mark_by
from identity.core.outbox import Lane
from identity.mail import bounces, models as mails
from identity.mail.models import MailState
from identity.mail.quota import Template
from tests.services.keys import PUBLIC_HALF
from tests.worlds.command_line import *
from tests.worlds.mail_reports import EXIM, IN_WORDS, OUT_OF_OFFICE, feedback, report

CAMILLE = "camille.durand@ac-rouen.example"
LEA = "lea.petit@asso.example"
DOMAIN = "bounce.mail.example"
KEY = "a key for the tests that is long enough"


@pytest.fixture
def given_up(opened, clock) -> str:
    """A mail nobody took, given up after one attempt."""
    with opened.transaction() as session:
        mail = mails.order(
            session,
            clock(),
            template=Template.VERIFY,
            address=CAMILLE,
            language="fr",
            subject_id=uuid.uuid4(),
        )
        mail.state, mail.last_reply = MailState.GAVE_UP, "451 4.7.1 Greylisted"
    with opened.transaction() as session:
        entry = leases.lease_next(session, clock(), Lane.URGENT)
        leases.give_up(session, entry, clock(), "the relay is away")
    return str(mail.id)


def test_why_tells_the_story_of_an_address(run, given_up):
    (shown,) = run.json("mail", "why", "Camille.Durand@AC-Rouen.example")
    assert (shown["id"], shown["state"]) == (given_up, "gave_up")
    assert shown["last_reply"] == "451 4.7.1 Greylisted"
    assert (shown["errand"]["attempts"], shown["errand"]["last_error"]) == (1, "the relay is away")
    assert "Greylisted" in run("mail", "why", CAMILLE).stdout


def test_why_of_an_address_without_mails(run):
    assert run.json("mail", "why", CAMILLE) == []
    assert "No mail to" in run("mail", "why", CAMILLE).stderr
    told = run("mail", "why", CAMILLE).stderr
    assert re.search(r'"address": "[0-9a-f]{16}"', told)
    assert "not an email address" in run("mail", "why", "camille", ends=1).stderr


def test_mails_are_listed_by_state(run, given_up):
    shown = run.json("mail", "list", "--state", "gave_up")
    assert shown["counts"] == {"gave_up": 1}
    assert [mail["id"] for mail in shown["mails"]] == [given_up]
    assert run.json("mail", "list", "--state", "handed")["mails"] == []
    assert given_up in run("mail", "list").stdout


def test_a_mail_is_tried_again(run, given_up):
    run("mail", "retry", given_up, "--dry-run")
    assert run.json("mail", "show", given_up)["errand"]["gave_up_at"]
    run("mail", "retry", given_up)
    shown = run.json("mail", "show", given_up)
    assert (shown["state"], shown["errand"]["gave_up_at"]) == ("waiting", None)


def test_a_mail_that_may_have_left_twice_is_told(run, opened, clock, given_up):
    with opened.transaction() as session:
        outbox.retry(session, uuid.UUID(given_up), clock())
        leases.lease_next(session, clock(), Lane.URGENT)
    clock.advance(seconds=outbox.LEASE.total_seconds())
    with opened.transaction() as session:
        entry = leases.lease_next(session, clock(), Lane.URGENT)
        leases.settle(session, entry, clock())
        session.get_one(mails.Mail, uuid.UUID(given_up)).state = MailState.HANDED
    shown = run.json("mail", "show", given_up)
    assert shown["errand"]["uncertain"] == 1
    assert "may have left twice" in shown["meaning"]
    assert "may have left twice" in run("mail", "why", CAMILLE).stdout


def test_what_is_done_is_not_tried_again(run, opened, clock, given_up):
    with opened.transaction() as session:
        mails.find(session, uuid.UUID(given_up)).state = MailState.HANDED
        outbox.find_by_subject(session, uuid.UUID(given_up)).done_at = clock()
    assert "nothing to try again" in run("mail", "retry", given_up, ends=1).stderr


def test_a_mail_that_does_not_exist(run):
    assert "there is no mail" in run("mail", "show", str(uuid.uuid4()), ends=1).stderr
    run("mail", "show", "not-an-id", ends=2)


@pytest.fixture
def handed(opened, clock) -> uuid.UUID:
    """A mail the relay took."""
    with opened.transaction() as session:
        mail = mails.order(
            session,
            clock(),
            template=Template.VERIFY,
            address=LEA,
            language="fr",
            subject_id=uuid.uuid4(),
        )
        mail.state = MailState.HANDED
    return mail.id


@pytest.fixture
def bounce(run):
    """Pipes a report into the command, as a mail server would."""

    def bounce(raw, *words, ends=0, domain=DOMAIN, **more):
        settings = {
            "GUICHET_DATA_DIR": str(run.folder),
            "GUICHET_SECRET_KEYS": KEY,
            "GUICHET_STORAGE_KEYS": f"{KEY} too",
            "GUICHET_HOMESERVER_PUBLIC_KEY": PUBLIC_HALF.text,
            "GUICHET_MAIL_BOUNCE_DOMAIN": domain,
        }
        done = CliRunner(env=settings | more).invoke(guichet, ["mail", "bounce", *words], input=raw)
        assert done.exit_code == ends, done.output
        return done.stderr

    return bounce


def bounce_address(mail_id, key=KEY, domain=DOMAIN):
    """As a version before wrote it, with the link key."""
    return bounces.bounce_address(mail_id, bounce_mark_by(key, mail_id), domain)


def test_a_bounce_ends_the_mail_it_is_about(run, bounce, handed):
    told = bounce(report(to=LEA), "--to", bounce_address(handed))
    assert "no_mailbox" in told
    shown = run.json("mail", "show", str(handed))
    assert (shown["state"], shown["outcome"]) == ("refused", "no_mailbox")
    assert shown["last_reply"].startswith("550 5.1.1")


def test_without_being_told_it_finds_the_address_in_the_headers(run, bounce, handed):
    bounce(report(EXIM, bounce=bounce_address(handed).upper()))
    assert run.json("mail", "show", str(handed))["state"] == "refused"


def test_a_delay_leaves_the_mail_handed(run, bounce, handed):
    bounce(report(action="delayed", status="4.4.1"), "--to", bounce_address(handed))
    shown = run.json("mail", "show", str(handed))
    assert (shown["state"], shown["outcome"]) == ("handed", "no_mailbox")


@pytest.mark.parametrize("form", [OUT_OF_OFFICE, IN_WORDS])
def test_what_only_talks_is_ignored(run, bounce, handed, form):
    assert "ignored" in bounce(report(form), "--to", bounce_address(handed))
    assert run.json("mail", "show", str(handed))["state"] == "handed"


def test_a_complaint_about_a_code_stops_nothing_and_a_forged_one_is_refused(run, bounce, handed):
    told = bounce(feedback(bounce_address(handed)), "--to", "complaints@guichet.example")
    assert "not about an invitation" in told
    assert run.json("mail", "show", str(handed))["state"] == "handed"
    forged = bounce_address(handed, key="a key of somebody else, long enough")
    assert "refused" in bounce(feedback(forged), ends=3)


def test_a_forged_or_foreign_bounce_is_refused(run, bounce, handed):
    for address in (
        bounce_address(handed, key="a key of somebody else"),
        bounce_address(handed, domain="bounce.elsewhere.example"),
        f"bonjour@{DOMAIN}",
    ):
        assert "refused" in bounce(report(), "--to", address, ends=3)
        assert "refused" in bounce(report(bounce=address), ends=3)
    bounce(report(), ends=3)
    bounce(report(), "--to", bounce_address(handed), domain="", ends=3)
    assert run.json("mail", "show", str(handed))["state"] == "handed"


def test_a_bounce_of_a_mail_that_was_forgotten_is_ignored(run, bounce):
    assert "nothing is known" in bounce(report(), "--to", bounce_address(uuid.uuid4()))


def test_a_bounce_waits_at_the_mail_server_while_the_database_is_away(bounce, handed):
    away = "postgresql+psycopg://guichet@127.0.0.1:1/guichet"
    told = bounce(report(), "--to", bounce_address(handed), ends=75, GUICHET_DATABASE_URL=away)
    assert "now" in told


def test_a_mailbox_that_exists_after_all_is_written_to_again(run, bounce, handed):
    bounce(report(), "--to", bounce_address(handed))
    settings = {"GUICHET_SECRET_KEYS": KEY, "GUICHET_STORAGE_KEYS": f"{KEY} too"}
    for words, told in (
        (["--dry-run"], "again"),
        ([], "again"),
        ([], "nothing kept"),
    ):
        assert told in run("mail", "allow", LEA, *words, env=settings).stderr


@pytest.mark.parametrize("domain", ["not a domain", "user@bounce.example", "example"])
def test_a_bounce_domain_that_is_none_is_named_at_once(run, domain):
    said = run("mail", "list", ends=1, env={"GUICHET_MAIL_BOUNCE_DOMAIN": domain}).stderr
    assert "GUICHET_MAIL_BOUNCE_DOMAIN" in said


def test_capitals_in_the_bounce_domain_do_not_matter(run, bounce, handed):
    bounce(report(), "--to", bounce_address(handed), domain="Bounce.Mail.Example")
    assert run.json("mail", "show", str(handed))["state"] == "refused"
