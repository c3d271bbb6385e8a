"""Which mailer the settings ask for, and the folder."""

import os
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from identity.mail.composing import Frame, compose
from identity.mail.folder import FolderMailer, read_folder
from identity.mail.mailer import make_mailer
from identity.mail.outcomes import NotSent, Outcome
from identity.mail.relay import SmtpMailer
from identity.mail.relay_url import Tls, read_relay_url
from identity.settings import WrongSettings, read_settings

FROM, TO = "bonjour@mail.example", "ana@asso.example"


def letter(number: int = 1, *, minute: int = 0, language: str = "fr", to: str = TO) -> EmailMessage:
    return compose(
        "none",
        Frame(
            to=to,
            language=language,
            message_id=UUID(int=number),
            date=datetime(2027, 3, 14, 15, minute, tzinfo=UTC),
            sender=FROM,
            reply_to=None,
            service="Guichet",
            support_url=None,
            public_url="https://guichet.example",
            zone=ZoneInfo("Europe/Paris"),
        ),
    )


@pytest.fixture
def folder(tmp_path) -> FolderMailer:
    return FolderMailer(tmp_path / "mail")


def put(folder, message, to=TO):
    return folder.send(message, envelope_from=FROM, to=to)


def test_a_mail_becomes_a_file_only_its_owner_reads(folder, tmp_path):
    message = letter()
    put(folder, message)
    [path] = (tmp_path / "mail").iterdir()
    assert path.name == "20270314T150000Z-00000000-0000-0000-0000-000000000001.eml"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.read_bytes() == message.as_bytes()


def test_the_same_mail_again_replaces_the_first(folder, tmp_path):
    put(folder, letter())
    put(folder, letter(language="en"))
    [stored] = read_folder(tmp_path / "mail")
    assert stored.subject == "No invitation waiting"


def test_the_folder_is_read_newest_first(folder, tmp_path):
    put(folder, letter(1, minute=2))
    put(folder, letter(2, minute=3))
    put(folder, letter(3, minute=1))
    assert [UUID(stored.id).int for stored in read_folder(tmp_path / "mail")] == [2, 1, 3]


def test_within_a_second_the_one_written_last_comes_first(folder, tmp_path):
    for number in (1, 2, 3):
        put(folder, letter(number))
        [path] = (tmp_path / "mail").glob(f"*{number}.eml")
        os.utime(path, ns=(0, number * 1000))
    assert [UUID(stored.id).int for stored in read_folder(tmp_path / "mail")] == [3, 2, 1]


def test_a_stored_mail_is_decoded(folder, tmp_path):
    put(folder, letter())
    [stored] = read_folder(tmp_path / "mail")
    assert stored.to == TO
    assert stored.subject == "Aucune invitation en attente"
    assert stored.date == "2027-03-14T15:00:00+00:00"
    assert "n’attend pour votre adresse" in stored.text
    assert stored.html.startswith("<!doctype html>")
    assert message_from_bytes(stored.raw.encode(), policy=policy.default)["To"] == TO


def test_an_accented_address_is_stored_as_it_is(folder, tmp_path):
    put(folder, letter(to="rené@asso.example"), to="rené@asso.example")
    [stored] = read_folder(tmp_path / "mail")
    assert stored.to == "rené@asso.example"
    assert "To: rené@asso.example" in stored.raw


def test_a_folder_that_is_not_there_holds_nothing(tmp_path):
    assert read_folder(tmp_path / "nowhere") == []


def test_a_draft_is_no_mail(tmp_path):
    (tmp_path / ".half.eml.123").write_text("From: ")
    (tmp_path / "somebody-elses.eml").write_text("Subject: not ours")
    assert read_folder(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_a_relay_that_is_down(tmp_path):
    (tmp_path / "mail").write_text("not a folder")
    with pytest.raises(NotSent) as failure:
        put(FolderMailer(tmp_path / "mail"), letter())
    assert failure.value.outcome is Outcome.RELAY_DOWN


def test_a_message_id_cannot_lead_out_of_the_folder(folder):
    message = letter()
    message.replace_header("Message-ID", "<../../etc/passwd@mail.example>")
    with pytest.raises(NotSent) as failure:
        put(folder, message)
    assert failure.value.outcome is Outcome.CONTENT


def settings(tmp_path, **given):
    return read_settings(_env_file=None, data_dir=tmp_path, **given)


def test_without_a_relay_mails_stay_in_the_data_directory(tmp_path):
    mailer = make_mailer(settings(tmp_path))
    put(mailer, letter())
    mailer.close()
    assert len(read_folder(tmp_path / "mail")) == 1


def test_with_a_relay_they_go_there(tmp_path, smtp_server):
    mailer = make_mailer(settings(tmp_path, smtp_url=smtp_server.url))
    assert isinstance(mailer, SmtpMailer)
    put(mailer, letter())
    mailer.close()
    assert len(smtp_server.to(TO)) == 1


def test_an_authority_that_cannot_be_read_stops_the_start(tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("ca.pem", "missing.pem"):
        url = f"smtp://u:hush@relay.example?ca_file={tmp_path / name}"
        with pytest.raises(WrongSettings, match="GUICHET_SMTP_URL: ca_file"):
            make_mailer(settings(tmp_path, smtp_url=url))


@pytest.mark.parametrize(
    ("url", "port", "tls"),
    [
        ("smtp://relay.example", 587, Tls.STARTTLS),
        ("smtp://relay.example:25", 25, Tls.STARTTLS),
        ("smtp://relay.example:465", 465, Tls.TLS),
        ("smtps://relay.example", 465, Tls.TLS),
        ("smtps://relay.example:2465", 2465, Tls.TLS),
        ("smtp://relay.example?tls=none", 25, Tls.NONE),
        ("smtp://relay.example?tls=tls", 465, Tls.TLS),
        ("smtp://127.0.0.1:1025", 1025, Tls.NONE),
        ("smtp://localhost", 25, Tls.NONE),
        ("smtp://[::1]:1025", 1025, Tls.NONE),
        ("smtp://localhost:1025?tls=starttls", 1025, Tls.STARTTLS),
    ],
)
def test_plain_only_when_said_or_at_home(url, port, tls):
    relay = read_relay_url(url)
    assert (relay.port, relay.tls) == (port, tls)


def test_user_and_password_are_percent_decoded_and_not_shown():
    relay = read_relay_url("smtp://gui%40chet:p%3Aq%2Fr@relay.example?timeout=12&ca_file=/etc/ca")
    assert (relay.user, relay.password) == ("gui@chet", "p:q/r")
    assert relay.timeout == 12
    assert str(relay.ca_file) == "/etc/ca"
    assert "p:q" not in repr(relay)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("smtp://relay.example?tsl=none", "unknown option tsl"),
        ("smtp://relay.example?tls=maybe", "tls must be"),
        ("smtps://relay.example?tls=none", "smtps"),
        ("smtp://relay.example?timeout=never", "cannot be read"),
        ("smtp://relay.example?timeout=600", "timeout must be"),
        ("smtp://relay.example:99999", "cannot be read"),
        ("smtp://u:hush@relay.example?tls=none", "not sent without TLS"),
        ("http://relay.example", "must look like"),
        ("smtp://?tls=none", "must look like"),
    ],
)
def test_a_url_that_says_something_else_is_refused_by_name(url, fault):
    with pytest.raises(WrongSettings, match=f"^GUICHET_SMTP_URL: .*{fault}") as error:
        read_relay_url(url)
    assert "hush" not in str(error.value)
