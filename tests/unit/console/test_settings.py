"""The settings in force, seen by admins: name, value, where from; a secret nowhere."""

import re

import pytest
from pydantic import SecretStr

from identity import settings_shown
from identity.env_files import VARIABLE
from identity.operators.roles import Role
from identity.settings import Settings, read_settings
from tests.worlds.console import *
from tests.worlds.visitors import words

PATH = "/admin/settings"


@pytest.fixture
def database_url(sqlite_url) -> str:
    return sqlite_url


def secrets_in(value):
    """Every secret within a setting, also of a list."""
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, tuple):
        for each in value:
            yield from secrets_in(each)


def test_an_admin_sees_every_setting_and_no_secret(sign_in, ada, services):
    page = sign_in(ada).get(PATH)
    shown = re.findall(r'<code class="mono">(GUICHET_\w+)</code>', page.text)
    assert sorted(shown) == sorted(f"GUICHET_{name}".upper() for name in Settings.model_fields)
    settings = services.settings
    secrets = [s for name in Settings.model_fields for s in secrets_in(getattr(settings, name))]
    assert len(secrets) >= 1
    assert [each for each in secrets if each in page.text] == []
    assert settings_shown.MASK in page.text
    assert "Settings" in words(sign_in(ada).get("/admin/menu"))


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER, Role.SUPPORT, Role.AUDITOR])
def test_nobody_else_sees_them(sign_in, make_operator, role, services):
    browser = sign_in(make_operator("Lou", role))
    answer = browser.get(PATH)
    assert (answer.status_code, "GUICHET_" in answer.text) == (403, False)
    assert PATH not in browser.get("/admin/menu").text


def test_each_says_where_it_comes_from(tmp_path, monkeypatch):
    key = tmp_path / "pepper"
    key.write_text("a-long-and-random-string-in-a-file")
    file = tmp_path / "guichet.env"
    lines = [
        *("SERVICE_NAME=Accueil", "DEFAULT_LOCALE=fr", f"SECRET_KEYS_FILE={key}"),
        "DATABASE_URL=postgresql+psycopg://guichet:hush@db.example/guichet",
        *("BROKER_URL=redis://:hush@broker.example/0", "SMTP_URL=smtps://us:hush@relay.example"),
        *("SSO_ISSUER=https://sso.example", "SSO_CLIENT_ID=guichet", "SSO_CLIENT_SECRET=hush"),
        *(
            "PUBLIC_URL=https://guichet.example",
            "STORAGE_KEYS=hush-gmwe6kiiOohgSkgR4Vu4M75YOG9A6RJOZsu1DO",
        ),
        "MAIL_FROM=Guichet <us@guichet.example>",
    ]
    file.write_text("".join(f"GUICHET_{each}\n" for each in lines))
    monkeypatch.setenv(VARIABLE, str(file))
    monkeypatch.setenv("GUICHET_DEFAULT_LOCALE", "en")
    settings = read_settings()
    told = {each["name"]: each for each in settings_shown.describe_all(settings)}
    assert "hush" not in str(told)
    assert told["GUICHET_DATABASE_URL"]["value"] == settings_shown.MASK
    assert told["GUICHET_SERVICE_NAME"] | {"name": ""} == {
        "name": "",
        "value": "Accueil",
        "from": str(file),
    }
    assert told["GUICHET_DEFAULT_LOCALE"]["from"] == "the environment"
    assert told["GUICHET_SECRET_KEYS"]["value"] == [settings_shown.MASK]
    assert told["GUICHET_SECRET_KEYS"]["from"] == str(file)
    assert told["GUICHET_CONSOLE_URL"]["from"] == "default"
    file.unlink()  # what is in force stays, and where it came from is not known any more
    again = {each["name"]: each for each in settings_shown.describe_all(settings)}
    assert again["GUICHET_SERVICE_NAME"]["value"] == "Accueil"
    assert again["GUICHET_SERVICE_NAME"]["from"] == ""
