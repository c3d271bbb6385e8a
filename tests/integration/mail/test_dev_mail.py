"""/dev/mail is there at home, and nowhere else."""

from dataclasses import replace
from email.message import EmailMessage
from email.utils import format_datetime

import pytest
from pydantic import SecretStr

from identity.app import create_app
from tests.worlds.mail_files import keep_mail
from tests.worlds.pages import *
from tests.worlds.pages import Visitor
from tests.worlds.visitors import heading, words

PATHS = ["/dev/mail", "/dev/mail/first", "/dev/mail/first/html", "/dev/mail.json"]
LINK = "http://127.0.0.1:8090/v/abc"


@pytest.fixture
def mailbox(site, clock):
    """Two mails, the first with a link and a style of its own."""
    for name in ("first", "second"):
        message = EmailMessage()
        message["Message-ID"] = f"<{name}@guichet.localhost>"
        message["Date"] = format_datetime(clock())
        message["From"] = "Guichet <bonjour@guichet.localhost>"
        message["To"] = "ana@ac-rouen.example"
        message["Subject"] = f"The {name} mail <b>"
        message.set_content(f"Open this link:\n\n{LINK}\n")
        message.add_alternative(f'<p style="color:#123">Open <a href="{LINK}">it</a></p>', "html")
        keep_mail(site.services.settings.mail_dir, message)
        clock.advance(minutes=1)


@pytest.mark.usefixtures("mailbox")
def test_mails_are_listed_newest_first_and_their_links_can_be_followed(ana):
    listed = words(ana.get("/dev/mail"))
    assert listed.index("The second mail <b>") < listed.index("The first mail <b>")
    answer = ana.get("/dev/mail/first")
    assert f'<a href="{LINK}"' in answer.text
    assert "The first mail &lt;b&gt;" in answer.text


@pytest.mark.usefixtures("mailbox")
def test_programs_get_the_same_as_json(ana):
    mails = ana.client.get("/dev/mail.json").json
    assert [mail["id"] for mail in mails] == ["second", "first"]
    assert set(mails[0]) == {"id", "to", "subject", "date", "text", "html", "raw"}
    assert LINK in mails[1]["text"]


@pytest.mark.usefixtures("mailbox")
def test_the_html_of_a_mail_has_its_style_and_nothing_else(ana):
    answer = ana.client.get("/dev/mail/first/html")
    policy = answer.headers["Content-Security-Policy"]
    assert "style-src 'unsafe-inline'" in policy
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in ana.get("/dev/mail/first").headers["Content-Security-Policy"]


def test_a_mail_that_is_not_there_is_an_unknown_page(ana):
    assert heading(ana.get("/dev/mail/first")) == "Cette page n’existe pas"
    assert "Aucun courriel" in words(ana.get("/dev/mail"))


@pytest.mark.usefixtures("mailbox")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["guichet.example", "192.0.2.1:8090", "127.0.0.1.nip.example"])
def test_another_host_name_opens_no_mailbox(ana, path, host):
    answer = ana.client.get(path, headers={"Host": host})
    assert answer.status_code == 404
    assert LINK not in answer.text


@pytest.mark.usefixtures("mailbox")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "peer", ["203.0.113.7", "10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "", "unix:", "127.0.0.1x"]
)
def test_another_machine_that_writes_our_name_opens_no_mailbox(ana, path, peer):
    for host in ("localhost:8090", "127.0.0.1:8090"):
        answer = ana.client.get(path, headers={"Host": host}, environ_base={"REMOTE_ADDR": peer})
        assert answer.status_code == 404
        assert LINK not in answer.text


@pytest.mark.usefixtures("mailbox")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_a_page_from_elsewhere_opens_no_mailbox(ana, path, headers):
    answer = ana.client.get(path, headers=headers)
    assert answer.status_code == 404
    assert LINK not in answer.text


@pytest.mark.usefixtures("mailbox")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("site_says", ["none", "same-origin"])
def test_a_visit_opens_the_mailbox(ana, path, site_says):
    answer = ana.client.get(path, headers={"Sec-Fetch-Site": site_says})
    assert answer.status_code == 200


@pytest.mark.usefixtures("mailbox")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "CF-Ray"])
def test_a_proxy_on_this_machine_opens_no_mailbox(ana, path, header):
    answer = ana.client.get(path, headers={header: "127.0.0.1"})
    assert answer.status_code == 404
    assert LINK not in answer.text


@pytest.mark.usefixtures("mailbox")
@pytest.mark.parametrize("host", ["", "[", "[::1", "a b", "localhost@evil.example", "é", "x" * 999])
def test_a_host_that_cannot_be_read_is_no_name_of_this_machine(ana, host):
    answer = ana.client.get("/dev/mail", headers={"Host": host.encode().decode("latin-1")})
    assert answer.status_code in {400, 404}
    assert LINK not in answer.text


@pytest.mark.usefixtures("mailbox")
@pytest.mark.parametrize("peer", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
def test_a_browser_on_this_machine_reads_its_mails(ana, peer):
    answer = ana.client.get("/dev/mail", environ_base={"REMOTE_ADDR": peer})
    assert answer.status_code == 200


@pytest.mark.usefixtures("mailbox")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "changed",
    [
        {"public_url": "https://guichet.example"},
        {"smtp_url": SecretStr("smtp://relay.example:587")},
    ],
)
def test_a_service_that_is_not_at_home_has_no_mailbox(site, path, changed):
    settings = site.services.settings.model_copy(update=changed)
    answer = Visitor(create_app(replace(site.services, settings=settings)), "fr").client.get(path)
    assert answer.status_code == 404
    assert LINK not in answer.text
