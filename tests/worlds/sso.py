"""The console behind an OpenID provider of ours, and operators who sign in by it."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from sqlalchemy import select

from identity.app import create_app
from identity.core.journal import JournalEntry
from identity.core.rate_limits import RateLimits
from identity.operators import jobs, links, models as operators
from identity.operators.models import LinkKind
from identity.settings import Settings
from tests.services.openid_provider import OpenidProvider, Person
from tests.worlds.console import *

HOME, REFUSED = "What waits for you", "Sign-in refused"
ROLES = "ops-admin=admin,ops-appr=approver@education.example,ops-view=viewer"


@pytest.fixture
def provider(clock):
    made = OpenidProvider(clock)
    made.people["ana"] = Person(
        "sub-of-ana", {"name": "Ana Martin", "email": "ana@ops.example"}, amr=["pwd", "otp"]
    )
    made.present = "ana"
    yield made
    made.stop()


@pytest.fixture
def with_sso(services, provider):
    """The services with these settings, and what the worker reads of the provider."""

    def with_sso(*, reads=True, **settings):
        own = settings.get("public_url", services.settings.public_url)
        provider.client.redirect_uris = {f"{own}/admin/sign-in/sso/back"}
        provider.client.left_uris = {f"{own}/admin/sign-in/sso/left"}
        given = {
            "sso_issuer": provider.issuer,
            "sso_client_id": provider.client.client_id,
            "sso_client_secret": provider.client.secret,
            "sso_label": "Keycloak",
            **settings,
        }
        made = Settings(
            _env_file=None,
            data_dir=services.settings.data_dir,
            secret_keys="a-key-for-the-tests-that-is-long-enough",
            **{name: value for name, value in given.items() if value is not None},
        )
        changed = replace(services, settings=made, limits=RateLimits(made))
        if reads:
            jobs.read_provider(changed)
        return changed

    return with_sso


class SsoBrowser(Browser):
    """A browser that follows the way to the provider and back."""

    def go(self, path="/admin/sign-in/sso"):
        """To the provider: where it sends the browser back to, or its own answer."""
        there = self.client.get(path, headers=self.headers)
        assert there.status_code == 303, there.text
        self.url_there = there.location
        return self.answer_of(there.location)

    @staticmethod
    def answer_of(url):
        """What the provider answers at this URL: where it leads, as a path of ours."""
        answer = requests.get(url, allow_redirects=False, timeout=10)
        if "Location" not in answer.headers:
            return answer
        parts = urlsplit(answer.headers["Location"])
        return f"{parts.path}?{parts.query}"

    def sign_in(self):
        """There and back: the page that follows."""
        return self.get(self.go())


@pytest.fixture
def keycloak(with_sso):
    """The services where the provider tells roles."""
    return with_sso(sso_role_claim="groups", sso_roles=ROLES)


@pytest.fixture
def open_browser():
    def open_browser(services, language="en"):
        return SsoBrowser(create_app(services), services, language)

    return open_browser


@pytest.fixture
def invite(services, clock):
    """An operator is invited by mail, and has not come yet."""

    def invite(operator):
        with services.database.transaction() as session:
            return links.issue(session, clock(), operator.id, LinkKind.INVITE)

    return invite


@pytest.fixture
def operator_named(services):
    def operator_named(name):
        with services.database.reading() as session:
            return operators.find_by_name(session, name)

    return operator_named


@pytest.fixture
def journal(services):
    """The rows of these actions, newest first: what each is about, and what it says."""

    def journal(action):
        with services.database.reading() as session:
            rows = session.scalars(
                select(JournalEntry)
                .where(JournalEntry.action == action)
                .order_by(JournalEntry.number.desc())
            ).all()
            return [(row.subject, row.facts) for row in rows]

    return journal


@pytest.fixture
def ana(provider):
    """Ana approves at education.example, says the provider."""
    person = provider.people["ana"]
    person.claims["groups"] = ["staff", "ops-appr"]
    return person


def asked(browser) -> dict[str, str]:
    """What the browser was sent to the provider with."""
    return {name: value[0] for name, value in parse_qs(urlsplit(browser.url_there).query).items()}
