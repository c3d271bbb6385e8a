"""What `guichet config check` says of settings with which Guichet starts all the same."""

import pytest

from identity.core.sealing import new_pair
from identity.env_files import VARIABLE
from identity.settings import WrongSettings, read_settings
from identity.settings_findings import (
    described_database,
    described_unknown,
    find_faults,
    unknown_variables,
    where_from,
)

KEY, OTHER = "a-key-of-the-tests-that-is-long-enough", "another-one-of-them-and-long-enough"
SHARED = {
    "GUICHET_DATABASE_URL": "postgresql+psycopg://guichet:the-password@db.example:5433/guichet",
    "GUICHET_SECRET_KEYS": KEY,
    "GUICHET_STORAGE_KEYS": OTHER,
    "GUICHET_DATA_DIR": "/var/lib/guichet",
}
PUBLIC = {
    "GUICHET_PUBLIC_URL": "https://guichet.example.org",
    "GUICHET_SERVER_NAME": "guichet.example.org",
    "GUICHET_SMTP_URL": "smtp://relay.example.org",
}


@pytest.fixture
def faults(tmp_path, monkeypatch):
    """The faults of these settings."""
    monkeypatch.chdir(tmp_path)

    def faults(**given: str) -> list[str]:
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        return find_faults(read_settings())

    return faults


@pytest.mark.parametrize("given", [{}, SHARED, {**SHARED, **PUBLIC}])
def test_good_settings_have_none(faults, given):
    assert faults(**given) == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"GUICHET_SECRET_KEYS": f"short,{KEY}"},
            "GUICHET_SECRET_KEYS: key 1 of 2 has 5 characters",
        ),
        (
            {**SHARED, **PUBLIC, "GUICHET_CONSOLE_URL": "http://127.0.0.1:8090"},
            "GUICHET_CONSOLE_URL: cookies are for https:",
        ),
        (
            {"GUICHET_CONSOLE_URL": "http://127.0.0.1:8095", "GUICHET_CONSOLE": "off"},
            "GUICHET_CONSOLE_URL: GUICHET_CONSOLE is off",
        ),
        (
            {"GUICHET_SECRET_KEYS": f"{KEY},{KEY}"},
            "GUICHET_SECRET_KEYS: a key stands in the list twice",
        ),
        (
            {**SHARED, "GUICHET_STORAGE_KEYS": f"{KEY},{OTHER}"},
            "GUICHET_STORAGE_KEYS: a key of it stands in",
        ),
        ({"GUICHET_SECRET_KEYS": f"{OTHER}x {KEY}"}, "GUICHET_SECRET_KEYS: a key holds a blank"),
        ({"GUICHET_SECRET_KEYS": f"{KEY},"}, "GUICHET_SECRET_KEYS: an item of the list is empty"),
        ({"GUICHET_INTERNAL_HOSTS": "a.example,,b.example"}, "an item of the list is empty"),
        ({"GUICHET_INTERNAL_HOSTS": "a.example,A.example"}, "an item stands in the list twice"),
        ({"GUICHET_PUBLIC_URL": " http://127.0.0.1:8090"}, "there are blanks around its value"),
        ({"GUICHET_SHARED_NETWORKS": "0.0.0.0/0"}, "that is the whole internet"),
        ({"GUICHET_INTERNAL_NETWORKS": "::/0"}, "that is the whole internet"),
        ({"GUICHET_PROXY_HEADER": "forwarded"}, "no proxy is trusted"),
        ({"GUICHET_BRAND": "rouen"}, "GUICHET_TEMPLATES_DIR, which is not set"),
        ({"GUICHET_TEMPLATES_DIR": "/nowhere"}, "the folder /nowhere cannot be read"),
        ({"GUICHET_INTERNAL_LISTEN": "", "GUICHET_INTERNAL_HOSTS": "a"}, "nobody listens"),
        ({"GUICHET_SERVER_ALIASES": "guichet.localhost"}, "need not stand there too"),
        ({**PUBLIC, "GUICHET_LIMITS": "off"}, "off is for load tests"),
        ({**PUBLIC, "GUICHET_SERVER_NAME": "guichet.localhost:8448"}, "this machine alone"),
        (
            {"GUICHET_PUBLC_URL": "x"},
            "GUICHET_PUBLC_URL: no setting of this version, perhaps GUICHET_PUBLIC_URL",
        ),
        ({**SHARED, "GUICHET_TEMPLATES_DIR": "."}, "depends on the folder a process starts in"),
        ({**SHARED, "GUICHET_DATA_DIR": "var"}, "depends on the folder a process starts in"),
        ({**SHARED, "GUICHET_ERASURE_LOG": "a.jsonl"}, "depends on the folder a process starts in"),
        ({"GUICHET_ERASURE_LOG": "/etc"}, "/etc is a folder"),
        ({"GUICHET_DATA_DIR": "/etc/passwd"}, "/etc/passwd is no folder"),
        ({**SHARED, "GUICHET_DATABASE_URL": "sqlite:///x.db"}, "x.db depends on the folder"),
        ({**SHARED, "GUICHET_DATABASE_URL": "sqlite://"}, "a database of its own"),
        ({**SHARED, "GUICHET_DATABASE_URL": "sqlite:///:memory:"}, "a database of its own"),
        (
            {**SHARED, "GUICHET_DATABASE_URL": "postgresql://a/b?options=-csearch_path%3Dx"},
            "options does not count",
        ),
        ({"GUICHET_WORKER_METRICS_LISTEN": "127.0.0.1:8091"}, "only one of them could listen"),
        ({"GUICHET_INTERNAL_LISTEN": "unix:internal.sock"}, "internal.sock depends on the folder"),
        ({"GUICHET_NEXT_LINK_HOSTS": "https://a.example"}, "'https://a.example' is no host"),
        ({"GUICHET_NEXT_LINK_HOSTS": "*.example"}, "is no host"),
        ({"GUICHET_NEXT_LINK_HOSTS": "a.example b.example"}, "is no host"),
        ({"GUICHET_INTERNAL_NETWORKS": "0.0.0.0/1,128.0.0.0/1"}, "that is the whole internet"),
        ({"GUICHET_INTERNAL_NETWORKS": "0.0.0.0/1"}, "a large part of the internet"),
        ({"GUICHET_SHARED_NETWORKS": "12.0.0.0/8,14.0.0.0/8"}, "a large part of the internet"),
        ({"GUICHET_SERVER_NAME": "Guichet.localhost"}, "in lower case"),
        ({"GUICHT_PUBLIC_URL": "x"}, "GUICHT_PUBLIC_URL: perhaps GUICHET_PUBLIC_URL was meant"),
        ({"GUICHET-SMTP-URL": "x"}, "GUICHET-SMTP-URL: perhaps GUICHET_SMTP_URL was meant"),
        ({"GUICHET_REDIS_URL": "redis://a", "GUICHET_REDIS_URL_FILE": "x"}, "are both given"),
    ],
)
def test_what_was_surely_not_meant_is_one_line_with_its_name(faults, tmp_path, given, told):
    if "GUICHET_REDIS_URL_FILE" in given:
        path = tmp_path / "redis"
        path.write_text("redis://b")
        path.chmod(0o600)
        given["GUICHET_REDIS_URL_FILE"] = str(path)
    found = faults(**given)
    assert len(found) == 1, found
    assert told in found[0]
    assert found[0].startswith(("GUICHET_", *given))
    assert not any(key in found[0] for key in (KEY, OTHER))


def test_files_of_secrets_that_others_may_read_are_named(faults, tmp_path):
    path = tmp_path / "keys"
    path.write_text(KEY)
    path.chmod(0o644)
    [told] = faults(GUICHET_SECRET_KEYS_FILE=str(path))
    assert told.startswith("GUICHET_SECRET_KEYS_FILE: ")
    assert f"(0644): chmod o= {path}" in told
    path.chmod(0o640)
    assert faults() == []
    [told] = faults(GUICHET_SECRET_KEYS_FILE="keys")
    assert "the whole path" in told


@pytest.mark.parametrize("text", ["", " \n\t\r\n"])
def test_an_empty_file_of_a_secret_is_no_setting_that_is_not_given(tmp_path, monkeypatch, text):
    """As when nothing was mounted: a service without its database URL would take SQLite."""
    path = tmp_path / "database_url"
    path.write_text(text)
    monkeypatch.setenv("GUICHET_DATABASE_URL_FILE", str(path))
    with pytest.raises(WrongSettings, match=f"GUICHET_DATABASE_URL_FILE: {path} is empty"):
        read_settings()


def test_the_workers_key_is_not_for_its_group(faults, tmp_path):
    path = tmp_path / "homeserver_keys"
    path.write_text(new_pair()[0].get_secret_value())
    path.chmod(0o440)
    [told] = faults(GUICHET_HOMESERVER_KEYS_FILE=str(path))
    assert f"the group of {path} can read it (0440), and so the web" in told
    path.chmod(0o400)
    assert faults() == []


def test_what_stands_twice_in_the_file_of_production_is_named_with_both_lines(faults, tmp_path):
    path = tmp_path / "guichet.env"
    lines = [f"{name}={value}" for name, value in SHARED.items()]
    lines += ["GUICHET_LIMITS=on", "guichet_limits=on", "GUICHET_SERVICE_NAME=Guichet # the name"]
    path.write_text("\n".join([*lines, "GUICHT_BRAND=x", "PATH=/usr/bin"]))
    path.chmod(0o640)
    told = faults(**{VARIABLE: str(path)})
    assert len(told) == 3
    assert any("it stands in line 5 of" in each and "again in line 6" in each for each in told)
    assert any("GUICHET_SERVICE_NAME: line 7" in each and "no comment" in each for each in told)
    assert any(each.startswith("GUICHT_BRAND: perhaps GUICHET_BRAND") for each in told)
    path.chmod(0o660)
    assert any("can be written by others" in each for each in faults())


def test_a_dotenv_beside_other_settings_is_named(faults, tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("GUICHET_SERVICE_NAME=Elsewhere\nOTHERS=1\n")
    assert faults() == []
    [told] = faults(**SHARED)
    assert "adds GUICHET_SERVICE_NAME to the settings of the environment" in told
    path = tmp_path / "guichet.env"
    path.write_text("GUICHET_DEFAULT_LOCALE=en\n")
    path.chmod(0o640)
    [told] = faults(**{VARIABLE: str(path)})
    assert f"{tmp_path / '.env'} is not read, since {path} is" in told
    assert where_from() == f"{path} and the environment"


def test_the_file_of_production_is_looked_at_too(faults, tmp_path):
    path, key = tmp_path / "guichet.env", tmp_path / "homeserver_keys"
    key.write_text(new_pair()[0].get_secret_value())
    key.chmod(0o400)
    path.write_text(
        f"GUICHET_DATABASE_URL={SHARED['GUICHET_DATABASE_URL']}\n"
        f"GUICHET_TRUSTD_PROXIES=127.0.0.1\nGUICHET_HOMESERVER_KEYS_FILE={key}\n"
    )
    path.chmod(0o644)
    told = "\n".join(faults(**{VARIABLE: str(path)}))
    assert (
        "GUICHET_TRUSTD_PROXIES: no setting of this version, perhaps GUICHET_TRUSTED_PROXIES"
        in told
    )
    assert f"{path} can be read by everybody here" in told
    assert "this is for the worker" in told
    assert unknown_variables() == ["GUICHET_TRUSTD_PROXIES"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("GUICHET_SECRET_KEY", "perhaps GUICHET_SECRET_KEYS was meant"),
        ("GUICHET_DB_URL", "no setting of this version"),
        ("GUICHET_PUBLIC_URL_FILE", "write GUICHET_PUBLIC_URL=…"),
        ("GUICHET_ENVFILE", "perhaps GUICHET_ENV_FILE was meant"),
    ],
)
def test_the_nearest_name_is_suggested(name, told):
    assert told in described_unknown(name)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (SHARED["GUICHET_DATABASE_URL"], "PostgreSQL, guichet at db.example, port 5433"),
        (
            "postgresql://guichet@/guichet?host=/run/postgresql&password=the-password",
            "guichet at /run/postgresql",
        ),
        ("sqlite:////var/lib/x.db", "SQLite in /var/lib/x.db"),
    ],
)
def test_the_database_is_named_without_its_password(url, told):
    described = described_database(read_settings(_env_file=None, database_url=url))
    assert told in described
    assert "the-password" not in described
