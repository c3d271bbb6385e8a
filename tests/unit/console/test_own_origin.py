"""A console with an address of its own (GUICHET_CONSOLE_URL): every link that leads to it begins with that."""

import re
from datetime import timedelta

import pytest

from identity.operators import notices, service as operating
from identity.operators.notices import What
from identity.operators.roles import Role
from identity.operators.sso.provider import client_of
from identity.settings import Settings, read_settings
from tests.worlds.admin_api import *
from tests.worlds.console import *

OPS = "https://ops.example.org"
SSO = {"sso_issuer": "https://sso.example.org", "sso_client_id": "g", "sso_client_secret": "secret"}


@pytest.fixture
def database_url(sqlite_url):
    return sqlite_url


@pytest.fixture
def settings(settings, tmp_path) -> Settings:
    return Settings(
        _env_file=None,
        data_dir=tmp_path,
        secret_keys=settings.secret_keys,
        console_url=f"{OPS}/",
        smtp_url="smtp://relay.example.org",
    )


def links_in(mailbox):
    return set(re.findall(r"https?://[^\s/]+(?=/(?:admin|v)/)", mailbox.text()))


def test_mails_to_operators_lead_there(services, clock, ada, browser, mailbox):
    with services.database.transaction() as session:
        operating.invite(session, clock(), session.merge(ada))
    assert mailbox.deliver() == [(ada.mail, "operator_invite")]
    assert links_in(mailbox) == {OPS}
    browser.get("/admin/sign-in")
    browser.post("/admin/sign-in", email=ada.mail)
    assert mailbox.deliver() == [(ada.mail, "operator_code")]
    assert links_in(mailbox) == {OPS}
    clock.advance(minutes=5)
    ends_at = clock() + timedelta(hours=1)
    with services.database.transaction() as session:
        notices.tell(session, clock(), session.merge(ada), What.LOCKED, ends_at=ends_at)
    assert mailbox.deliver() == [(ada.mail, "operator_notice")]
    assert links_in(mailbox) == {OPS}


def test_redirects_answers_of_the_api_and_the_provider_lead_there(app, browser, program):
    assert browser.get("/admin").headers["Location"].startswith(f"{OPS}/admin/")
    refused = program(Role.APPROVER).post("/freezes/sign-ups/thaw")
    assert refused.json["org.guichet.url"] == f"{OPS}/admin/incidents"
    client = client_of(
        Settings(_env_file=None, console_url=OPS, smtp_url="smtp://x.example", **SSO)
    )
    assert client.back_url == f"{OPS}/admin/sign-in/sso/back"
    assert client.left_url == f"{OPS}/admin/sign-in/sso/left"


def test_without_one_it_is_the_public_url(monkeypatch):
    monkeypatch.setenv("GUICHET_PUBLIC_URL", "http://127.0.0.1:8099")
    assert read_settings().console_origin == "http://127.0.0.1:8099"
