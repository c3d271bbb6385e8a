"""`guichet domain import` of an old info.yaml and of CSV, and `guichet domain export`."""

import pytest

from domain_rules.addresses import EmailAddress
from identity.app import create_app
from identity.services import build_services
from identity.settings import Settings
from tests.worlds.api import ask
from tests.worlds.command_line import *

INFO = r"""
platforms:
  - &e_without_invite {hs: e.fake.server, requires_invite: False}
  - &e {<<: *e_without_invite, requires_invite: True}
  - &a {hs: a.fake.server, requires_invite: False}
  - &p {hs: p.fake.server, shadow_hs: public.p.fake.server, requires_invite: False}
medium:
  email:
    entries:
      john.doe@fake.server: *e_without_invite
    patterns:
      - .*@allowed\.server: *a
      - .*@(.*\.|)vip\.fake\.server: *a
      - .*@(.*\.|)internal\.fake\.server: *p
      - .*: *e
"""
UNESCAPED = INFO.replace(r"vip\.fake\.server", "vip.fake.server")
WINDOWS = INFO.replace("platforms:", "# académies\nplatforms:")


@pytest.fixture
def servers(run):
    """The homeservers that the old file names."""
    for name in ("a", "p", "public.p"):
        run("homeserver", "add", f"{name}.fake.server", "--url", f"https://{name}.fake.server")
    run("homeserver", "add", "e.fake.server", "--url", "https://e.fake.server", "--guests")
    return run


def imported(run, text: str, *options: str, name: str = "info.yaml", ends: int = 0):
    return run.json("domain", "import", run.file(name, text), *options, ends=ends)


def decided(run, address: str) -> tuple[str, str | None, bool]:
    EmailAddress.parse(address)
    told = run.json("address", "explain", address)["decision"]
    return told["homeserver"], told["protected_homeserver"], told["requires_invite"]


def test_an_info_yaml_is_imported_and_answers_as_before(servers):
    shown = imported(servers, INFO)
    assert (len(shown["added"]), shown["unchanged"], shown["refused"]) == (4, 1, [])
    assert {each["cause"] for each in shown["proof"]["differences"]} == {"capitals"}
    assert shown["proof"]["dangers"] == []
    assert decided(servers, "john.doe@fake.server") == ("e.fake.server", None, False)
    assert decided(servers, "ana@allowed.server") == ("a.fake.server", None, False)
    assert decided(servers, "ana@sub.allowed.server") == ("e.fake.server", None, True)
    assert decided(servers, "ana@sub.vip.fake.server") == ("a.fake.server", None, False)
    inside = ("public.p.fake.server", "p.fake.server", False)
    assert decided(servers, "ana@internal.fake.server") == inside
    again = imported(servers, INFO)
    assert (again["unchanged"], again["revision"]) == (5, shown["revision"])


@pytest.fixture
def moved(servers):
    """The whole service over what was imported, as its callers meet it."""
    imported(servers, INFO)
    settings = Settings(_env_file=None, data_dir=servers.folder, protected_networks="10.1.0.0/16")
    services = build_services(settings)
    yield create_app(services).test_client()
    services.database.engine.dispose()


@pytest.mark.parametrize(
    ("address", "inside", "outside"),
    [
        ("john.doe@fake.server", {"hs": "e.fake.server"}, {"hs": "e.fake.server"}),
        ("ana@allowed.server", {"hs": "a.fake.server"}, {"hs": "a.fake.server"}),
        ("ana@sub.vip.fake.server", {"hs": "a.fake.server"}, {"hs": "a.fake.server"}),
        (
            "ana@sub.internal.fake.server",
            {"hs": "p.fake.server", "shadow_hs": "public.p.fake.server"},
            {"hs": "public.p.fake.server"},
        ),
        ("ana@elsewhere.org", {"hs": "e.fake.server"}, {"hs": "e.fake.server"}),
    ],
)
def test_callers_are_told_what_the_old_server_told_them(moved, address, inside, outside):
    for ip, told in (("10.1.2.3", inside), ("203.0.113.5", outside)):
        answer = ask(moved, address, ip=ip).json
        del answer["org.guichet"]
        assert answer == told


def test_each_line_says_what_it_becomes_and_what_differs(servers):
    path = servers.file("info.yaml", UNESCAPED)
    told = servers("domain", "import", path, "--dry-run").stderr
    words = [line.split() for line in told.splitlines()]
    becomes = ["suffix:vip.fake.server", "agent", "→", "a.fake.server"]
    assert ["line", "13", r".*@(.*\.|)vip.fake.server", *becomes] in words
    assert "from the protected networks p.fake.server" in told
    assert "line 13: .*@(.*\\.|)vip.fake.server: a dot that is not escaped" in told
    before_and_now = "a.fake.server before, e.fake.server with an invitation now"
    assert f"line 13: ana.proof@vipxfake.server: {before_and_now}" in told
    assert "Nothing was written" in told
    assert len(servers.json("domain", "list")["rules"]) == 1


def test_the_proof_for_programs(servers):
    proof = imported(servers, UNESCAPED, "--dry-run")["proof"]
    assert proof["is_whole"] is True
    assert proof["translations"][2] == {
        "line": 13,
        "text": r".*@(.*\.|)vip.fake.server",
        "rules": ["suffix:vip.fake.server"],
    }
    (one,) = [each for each in proof["differences"] if "@vipxfake" in each["address"]]
    assert one["cause"] == "unescaped_dot"
    assert one["inside"]["old"] == {
        "hs": "a.fake.server",
        "shadow_hs": None,
        "requires_invite": False,
    }
    assert one["outside"]["new"]["hs"] == "e.fake.server"
    assert [(each["line"], each["kind"]) for each in proof["dangers"]] == [(13, "unescaped_dot")]


def test_what_is_not_recognised_is_named_and_the_rest_is_taken(servers):
    text = INFO.replace("      - .*: *e", "      - .*@.*x.fr: *a\n      - .*: *e")
    shown = imported(servers, text, ends=5)
    assert [(each["line"], each["text"]) for each in shown["refused"]] == [(15, ".*@.*x.fr")]
    assert len(shown["added"]) == 4


def test_a_domain_that_makes_no_agent_is_refused_by_policy(servers):
    text = INFO.replace("      - .*: *e", "      - .*@gmail\\.com: *a\n      - .*: *e")
    shown = imported(servers, text, ends=3)
    assert [each["by_policy"] for each in shown["refused"]] == [True]
    assert decided(servers, "ana@gmail.com") == ("e.fake.server", None, True)


def test_homeservers_that_are_missing_are_named_once(run):
    shown = imported(run, INFO, ends=1)
    assert [each["text"] for each in shown["refused"]] == [
        *("e.fake.server", "a.fake.server", "p.fake.server", "public.p.fake.server"),
    ]


def test_labels_that_an_old_file_cannot_say_are_kept(servers):
    words = ("--homeserver", "a.fake.server", "--organisation", "Allowed", "--note", "ours")
    servers("domain", "add", "allowed.server", *words)
    assert "allowed.server" not in str(imported(servers, INFO)["changed"])


def test_an_info_yaml_by_another_name_is_known_by_what_stands_in_it(servers):
    assert imported(servers, INFO, name="info.yaml.old")["proof"]["lines"] == 5


@pytest.mark.parametrize("form", ["yaml", "csv"])
def test_an_export_imported_again_changes_nothing(servers, form):
    imported(servers, INFO)
    servers("domain", "add", "gmail.com", "--homeserver", "a.fake.server", "--allow-public")
    note = ("--note", "first\nsecond; 'line'")
    servers("domain", "add", "ac-normandie.fr", "--sibling-of", "ac-rouen.fr", *note)
    move = ("--homeserver", "p.fake.server", "--move-accounts")
    servers("domain", "add", "allowed.server", *move)
    revision = servers.json("domain", "list")["revision"]
    path = str(servers.folder / f"rules.{form}")
    servers("domain", "export", "--output", path)
    again = servers("domain", "import", path)
    assert "Nothing to change" in again.stderr
    assert "7 unchanged" in again.stderr
    assert servers.json("domain", "list")["revision"] == revision
    printed = servers("domain", "export", "--format", form).stdout_bytes
    assert printed == (servers.folder / f"rules.{form}").read_bytes()


def test_a_domain_opened_once_is_not_opened_wider_by_a_file(servers):
    servers("domain", "add", "gmail.com", "--homeserver", "a.fake.server", "--allow-public")
    text = "kind;pattern;homeserver\nsuffix;gmail.com;a.fake.server\n"
    shown = imported(servers, text, name="rules.csv", ends=3)
    assert (shown["added"], shown["refused"][0]["line"]) == ([], 2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (WINDOWS.encode("utf-16"), "it looks like UTF-16"),
        (WINDOWS.encode("utf-16-le"), "it looks like UTF-16"),
        (WINDOWS.encode("windows-1252"), "line 2 is not UTF-8"),
        (INFO.encode() + b"#" * 10_000_000, "longer than 10 MB"),
        (INFO.replace("*a\n", "*nobody\n").encode(), "line 12"),
    ],
)
def test_a_file_that_cannot_be_read_ends_with_one_line(servers, content, said):
    path = servers.folder / "info.yaml"
    path.write_bytes(content)
    told = servers("domain", "import", str(path), ends=1).stderr
    assert said in told
    assert len(told.splitlines()) == 1


def test_hostile_patterns_are_refused_and_never_run(servers):
    hostile = ["(a+)+$", "(.*)*@x", ".*@(.*.*)*d", "(" * 90, "(a|a)" * 90, "a{1,9999}" * 40]
    lines = "".join(f"      - '{text}{n}': *a\n" for n in range(500) for text in hostile)
    shown = imported(servers, INFO.replace("      - .*: *e\n", lines + "      - .*: *e\n"), ends=5)
    assert len(shown["refused"]) == 3_000
    assert len(shown["added"]) == 4
