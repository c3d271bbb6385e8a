"""`guichet homeserver`."""

import uuid

import pytest
from pydantic import SecretStr

from identity.core import outbox
from identity.core.outbox import JobKind, Lane
from identity.core.sealing import CannotOpen
from identity.homeservers import credentials, models as homeservers, module_models
from identity.homeservers.secrets import open_secret
from identity.services import build_worker_services
from identity.settings import read_settings
from tests.worlds.command_line import *
from tests.worlds.command_line import EDUCATION, GUESTS

URL = ("--url", "https://matrix.example")


def test_a_homeserver_is_registered_with_a_credential_shown_once(run, opened, clock):
    shown = run.json("homeserver", "add", EDUCATION, *URL, "--label", "Éducation nationale")
    assert shown["homeserver"]["label"] == "Éducation nationale"
    assert shown["homeserver"]["user_id_scheme"] == "address"
    assert shown["homeserver"]["class_source"] == "agent"
    with opened.reading() as session:
        assert credentials.homeserver_of(session, shown["credential"], clock()) == EDUCATION
    assert shown["credential"] not in run("homeserver", "show", EDUCATION).output


def test_without_json_the_credential_alone_stands_on_stdout(run):
    result = run("homeserver", "add", EDUCATION, *URL)
    assert result.stdout.startswith("guichet_")
    assert result.stdout.count("\n") == 1
    assert EDUCATION in result.stderr


def test_the_first_homeserver_for_guests_becomes_the_default(run):
    first = run("homeserver", "add", GUESTS, *URL, "--guests")
    assert "Default rule" in first.stderr
    second = run.json("homeserver", "add", "others.example", *URL, "--guests")
    assert second["default_rule"] is False
    assert second["homeserver"]["user_id_scheme"] == "random"
    assert second["homeserver"]["class_source"] == "guest"
    (rule,) = run.json("domain", "list")["rules"]
    assert rule["kind"] == "default"
    assert rule["homeserver"] == GUESTS
    assert rule["account_class"] == "guest"
    assert rule["requires_invite"] is True


def test_a_dry_run_registers_nothing(run):
    shown = run.json("homeserver", "add", GUESTS, *URL, "--guests", "--dry-run")
    assert shown["credential"] is None
    assert shown["default_rule"] is True
    assert run.json("homeserver", "list") == []
    assert run.json("domain", "list") == {"revision": 0, "rules": []}


def test_list_and_show_tell_which_rules_a_homeserver_has_and_what_waits_for_it(run, opened, clock):
    run("homeserver", "add", EDUCATION, *URL)
    assert run.json("homeserver", "list")[0]["module"] is None
    assert "never heard" in run("homeserver", "show", EDUCATION).output
    with opened.transaction() as session:
        facts = {
            "heard_at": clock(),
            "version": 2,
            "reports": "joined",
            "actions": "",
            "skipped": 0,
        }
        module_models.upsert(session, EDUCATION, facts | {"revision": 88, "sent_revision": 88})
        subject = uuid.uuid4()
        outbox.enqueue(
            session,
            JobKind.REVOCATION,
            subject,
            clock(),
            lane=Lane.NORMAL,
            homeserver=EDUCATION,
        )
    assert run.json("homeserver", "list")[0]["module"]["revision"] == 88
    assert "88" in run("homeserver", "list").output
    shown = run.json("homeserver", "show", EDUCATION)
    assert shown["module"]["revision"] == 88
    assert shown["jobs"] == {
        "deliveries_waiting": 0,
        "deliveries_given_up": 0,
        "others_waiting": 1,
        "others_given_up": 0,
        "held": 0,
    }
    assert len(shown["credentials"]) == 1
    read = run("homeserver", "show", EDUCATION).output
    assert ("joined" in read, "jobs: others waiting" in read) == (True, True)


def test_a_name_that_is_there_is_refused_and_stays(run):
    run("homeserver", "add", EDUCATION, *URL)
    before = run.json("homeserver", "list")
    refused = run("homeserver", "add", EDUCATION, "--url", "https://elsewhere.example", ends=1)
    assert "registered already" in refused.stderr
    assert run.json("homeserver", "list") == before


@pytest.mark.parametrize("name", ["", "a b", "https://a.example", "a.example/", "a.example:", "é"])
def test_what_is_no_server_name_is_refused(run, name):
    assert "server name" in run("homeserver", "add", name, *URL, ends=1).stderr


@pytest.mark.parametrize("name", ["a.example", "a.example:8448", "10.0.0.1", "[2001:db8::1]:8448"])
def test_every_shape_of_a_server_name_is_taken(run, name):
    assert run.json("homeserver", "add", name, *URL)["homeserver"]["name"] == name


@pytest.mark.parametrize(
    "url",
    [
        "matrix.example",
        "ftp://matrix.example",
        "https://",
        "https://matrix.example/_matrix",
        "https://me:secret@matrix.example",
        "https://matrix.example?a=b",
        "https://[broken",
        "https://matrix.example:99999",
    ],
)
def test_a_url_is_a_scheme_and_a_host(run, url):
    assert "URL must" in run("homeserver", "add", EDUCATION, "--url", url, ends=1).stderr


def test_the_connector_needs_both_secrets(run):
    secret = run.file("secret", "a secret")
    only_one = ("--connector", "synapse", "--registration-secret-file", secret)
    assert "needs both" in run("homeserver", "add", EDUCATION, *URL, *only_one, ends=1).stderr
    without = ("--registration-secret-file", secret)
    assert "synapse only" in run("homeserver", "add", EDUCATION, *URL, *without, ends=1).stderr


@pytest.fixture
def with_connector(run) -> tuple[str, ...]:
    secret, token = run.file("secret", "a secret"), run.file("token", "a token")
    files = ("--registration-secret-file", secret, "--admin-token-file", token)
    return ("--connector", "synapse", *files)


@pytest.mark.parametrize(
    "url",
    [
        "http://matrix.example",
        "HTTP://Matrix.Example:8008",
        "http://10.0.0.5:8008",
        "http://[2001:db8::1]",
        "http://localhost.evil.example",
        "http://127.0.0.1.nip.example",
        "http://0.0.0.0:8008",
    ],
)
def test_no_secret_leaves_this_machine_in_the_clear(run, with_connector, url):
    for dry in ((), ("--dry-run",)):
        refused = run("homeserver", "add", EDUCATION, "--url", url, *with_connector, *dry, ends=1)
        assert "in the clear" in refused.stderr
        assert url in refused.stderr
    assert run.json("homeserver", "list") == []


@pytest.mark.parametrize(
    "url",
    [
        "https://matrix.example",
        "http://127.0.0.1:8008",
        "http://[::1]:8008",
        "http://localhost:8008",
    ],
)
def test_secrets_go_by_tls_or_stay_on_this_machine(run, with_connector, url):
    added = run("homeserver", "add", EDUCATION, "--url", url, *with_connector)
    assert "Warning" not in added.stderr


def test_a_homeserver_without_tls_and_without_secrets_is_taken_with_a_warning(run):
    added = run("homeserver", "add", EDUCATION, "--url", "http://matrix.example")
    assert "http://matrix.example has no TLS" in added.stderr
    federation = ("--federation-url", "http://federation.example")
    added = run("homeserver", "add", GUESTS, *URL, *federation)
    assert "http://federation.example has no TLS" in added.stderr


def test_secrets_are_sealed_and_never_shown(run, opened):
    files = {name: run.file(name, f"the {name}\n") for name in ("secret", "token")}
    options = ("--registration-secret-file", files["secret"], "--admin-token-file", files["token"])
    added = run("homeserver", "add", EDUCATION, *URL, "--connector", "synapse", *options, "--json")
    with opened.reading() as session:
        row = homeservers.find(session, EDUCATION)
    worker_services = build_worker_services(read_settings(_env_file=None, data_dir=run.folder))
    worker_services.database.engine.dispose()
    halves = worker_services.private_halves
    for field, secret in (("registration_secret", "the secret"), ("admin_token", "the token")):
        with pytest.raises(CannotOpen):
            worker_services.vault.open(getattr(row, field))
        assert open_secret(worker_services.vault, halves, row, field) == SecretStr(secret)
    shown = added.output + run("homeserver", "show", EDUCATION, "--json").output
    assert '"has_secrets": true' in shown
    assert not [each for each in ("the secret", "the token", row.admin_token) if each in shown]


def test_an_unknown_homeserver_is_answered_with_close_names(federation):
    result = federation("homeserver", "show", "educaton.example", ends=1)
    assert "education.example" in result.stderr
    assert not result.stdout


LINKS = {
    "base_url": "https://clients.example",
    "client_url": "https://chat.example/?hs={homeserver_url}&user={user_id}",
    "phone_url": "https://m.example/?login_hint=mxid:{user_id}",
}


def test_links_to_clients_are_kept_as_templates_and_can_be_cleared(run):
    options = [part for name, url in LINKS.items() for part in (f"--{name.replace('_', '-')}", url)]
    added = run.json("homeserver", "add", EDUCATION, *URL, *options)["homeserver"]
    assert {name: added[name] for name in LINKS} == LINKS
    clear = [part for name in LINKS for part in ("--clear", name.replace("_", "-"))]
    shown = run.json("homeserver", "set", EDUCATION, *clear)["homeserver"]
    assert {shown[name] for name in LINKS} == {None}
    run("homeserver", "set", EDUCATION, *options)
    shown = run.json("homeserver", "show", EDUCATION)
    assert {name: shown[name] for name in LINKS} == LINKS


@pytest.mark.parametrize(
    ("option", "url", "why"),
    [
        ("--base-url", "https://clients.example/a", "the base URL must begin with"),
        ("--client-url", "https://chat.example/?u={name}", "the client URL knows no {name}"),
        ("--phone-url", "https://{server_name}/", "the phone URL takes placeholders only behind"),
        ("--phone-url", "javascript:alert(1)", "the phone URL must begin with"),
    ],
)
def test_what_is_no_door_and_no_template_is_refused(run, option, url, why):
    assert why in run("homeserver", "add", EDUCATION, *URL, option, url, ends=1).stderr
    run("homeserver", "add", EDUCATION, *URL)
    before = run.json("homeserver", "show", EDUCATION)
    assert why in run("homeserver", "set", EDUCATION, option, url, ends=1).stderr
    assert run.json("homeserver", "show", EDUCATION) == before


@pytest.mark.parametrize("option", ["--base-url", "--client-url", "--phone-url"])
def test_where_passwords_are_typed_without_tls_there_is_a_warning(run, option):
    added = run("homeserver", "add", EDUCATION, *URL, option, "http://chat.example")
    assert "http://chat.example has no TLS" in added.stderr
    assert "passwords" in added.stderr
    added = run("homeserver", "add", GUESTS, *URL, option, "http://localhost:8008")
    assert "no TLS" not in added.stderr
