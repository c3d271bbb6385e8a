"""`guichet domain import`."""

import pytest

from identity.rule_changes.cli.differences import SHOWN
from tests.worlds.command_line import *
from tests.worlds.command_line import EDUCATION, GUESTS

TO_EDUCATION = ("--homeserver", EDUCATION)
YAML = """
homeservers:
  - name: interieur.example
    url: https://matrix.interieur.example
    label: Intérieur
rules:
  - suffix: interieur.example
    homeserver: interieur.example
  - domain: ac-rouen.example
    homeserver: education.example
"""


def imported(run, name: str, content: str | bytes, *options: str, ends: int = 0):
    return run.json("domain", "import", run.file(name, content), *options, ends=ends)


def test_a_list_is_imported_in_one_revision(federation):
    text = "\ufeff# ours\r\nac-rouen.example\r\n\r\n@ac-lille.example\r\n"
    shown = imported(federation, "list.txt", text, *TO_EDUCATION, "--organisation", "Écoles")
    assert [rule["pattern"] for rule in shown["added"]] == ["ac-rouen.example", "ac-lille.example"]
    assert {rule["organisation"] for rule in shown["added"]} == {"Écoles"}
    assert (shown["base"], shown["revision"]) == (1, 2)


def test_importing_again_changes_nothing(federation):
    path = federation.file("list.txt", "ac-rouen.example\nac-lille.example\n")
    federation("domain", "import", path, *TO_EDUCATION)
    again = federation("domain", "import", path, *TO_EDUCATION)
    assert "2 unchanged" in again.stderr
    assert "revision 2 stays" in again.stderr
    assert federation.json("domain", "list")["revision"] == 2


def test_a_dry_run_writes_nothing(federation):
    path = federation.file("list.txt", "\n".join(f"d{n}.example" for n in range(SHOWN + 5)))
    result = federation("domain", "import", path, *TO_EDUCATION, "--dry-run")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("+ domain:d0.example")
    assert lines[-1].startswith("… and 5 more")
    assert "Nothing was written" in result.stderr
    assert federation.json("domain", "list")["revision"] == 1
    whole = federation("domain", "import", path, *TO_EDUCATION, "--dry-run", "-v")
    assert len(whole.stdout.splitlines()) == SHOWN + 5


def test_a_domain_in_two_spellings_is_one_rule(federation):
    text = "académie.example\nxn--acadmie-eya.example\nACADÉMIE.EXAMPLE\n"
    shown = imported(federation, "list.txt", text, *TO_EDUCATION)
    assert [rule["pattern"] for rule in shown["added"]] == ["xn--acadmie-eya.example"]
    assert [(each["line"], each["first_line"]) for each in shown["duplicates"]] == [(2, 1), (3, 1)]
    path = federation.file("list.txt", text)
    quiet = federation("domain", "import", path, *TO_EDUCATION)
    assert "2 duplicates" in quiet.stderr
    assert "line 2" not in quiet.stderr
    assert "line 2" in federation("domain", "import", path, *TO_EDUCATION, "-v").stderr


def test_refused_lines_are_named_and_the_others_taken(federation):
    text = "ac-rouen.example\nhttps://ac-lille.example\ngmail.com\nana@ac-caen.example\n"
    path = federation.file("list.txt", text)
    result = federation("domain", "import", path, *TO_EDUCATION, ends=5)
    told = [line for line in result.stderr.splitlines() if line.startswith("line ")]
    assert (
        told[0]
        == "line 2: https://ac-lille.example: This is a web address; the domain alone is wanted."
    )
    assert told[1].startswith("line 3: gmail.com: This is a free mail service")
    assert told[2].startswith("line 4: ana@ac-caen.example: This is an address")
    assert "1 added" in result.stderr
    shown = imported(federation, "list.txt", text, *TO_EDUCATION, ends=5)
    assert [(each["line"], each["by_policy"]) for each in shown["refused"]] == [
        (2, False),
        (3, True),
        (4, False),
    ]


def test_refusals_by_policy_alone_end_with_a_code_of_their_own(federation):
    text = "ac-rouen.example\ngmail.com\n"
    shown = imported(federation, "list.txt", text, *TO_EDUCATION, ends=3)
    assert [rule["pattern"] for rule in shown["added"]] == ["ac-rouen.example"]
    guests = imported(federation, "list.txt", "gmail.com\n", "--homeserver", GUESTS)
    assert [rule["account_class"] for rule in guests["added"]] == ["guest"]


def test_a_file_of_which_nothing_can_be_taken_fails(federation):
    shown = imported(federation, "list.txt", "no domain at all\n", *TO_EDUCATION, ends=1)
    assert (shown["added"], shown["revision"]) == ([], 1)
    assert federation.json("domain", "list")["revision"] == 1


def test_a_federation_brings_its_homeservers_and_rules(federation):
    shown = imported(federation, "all.yaml", YAML)
    assert shown["homeservers_added"] == ["interieur.example"]
    assert [rule["pattern"] for rule in shown["added"]] == ["interieur.example", "ac-rouen.example"]
    again = imported(federation, "all.yaml", YAML)
    assert again["homeservers_added"] == []
    assert (again["unchanged"], again["revision"]) == (2, 2)


def test_a_federation_never_changes_a_homeserver_that_is_there(federation):
    imported(federation, "all.yaml", YAML)
    imported(federation, "all.yaml", YAML.replace("matrix.interieur", "elsewhere"))
    url = federation.json("homeserver", "show", "interieur.example")["url"]
    assert url == "https://matrix.interieur.example"


def test_a_homeserver_that_cannot_be_leaves_nothing_behind(federation):
    text = YAML.replace("https://matrix.interieur.example", "https://matrix.interieur.example/path")
    path = federation.file("all.yaml", text)
    assert "no path" in federation("domain", "import", path, ends=1).stderr
    assert federation.json("domain", "list")["revision"] == 1
    assert len(federation.json("homeserver", "list")) == 2


def test_a_dry_run_of_a_federation_writes_nothing(federation):
    path = federation.file("all.yaml", YAML)
    result = federation("domain", "import", path, "--dry-run")
    assert "+ homeserver interieur.example" in result.stdout
    assert len(federation.json("homeserver", "list")) == 2
    assert federation.json("domain", "list")["revision"] == 1


def test_secrets_of_a_federation_stand_in_files_beside_it(federation):
    federation.file("secret", "the secret")
    federation.file("token", "the token")
    text = YAML.replace(
        "label: Intérieur",
        "connector: synapse\n    registration_secret_file: secret\n    admin_token_file: token",
    )
    imported(federation, "all.yaml", text)
    assert federation.json("homeserver", "show", "interieur.example")["has_secrets"] is True


def test_two_rules_of_a_federation_that_follow_in_time_are_not_lost_in_silence(federation):
    rule = "  - domain: ac-rouen.example\n    homeserver: education.example\n"
    text = f"rules:\n{rule}    valid_until: 2027-01-01\n{rule}    valid_from: 2027-01-01\n"
    shown = imported(federation, "all.yaml", text, ends=5)
    assert len(shown["added"]) == 1
    assert "only one can be kept" in shown["refused"][0]["reason"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "latin.txt",
            "ac-rouen.example\nacadémie.example".encode("latin-1"),
            "line 2 is not UTF-8",
        ),
        ("long.txt", b"a.example\n" * 1_000_001, "longer than 10 MB"),
        ("twice.yaml", "rules: []\nrules: []\n", "line 2: rules stands twice"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(federation, name, content, said):
    options = TO_EDUCATION if name.endswith(".txt") else ()
    path = federation.file(name, content)
    assert said in federation("domain", "import", path, *options, ends=1).stderr
    assert federation.json("domain", "list")["revision"] == 1


def test_a_list_needs_a_homeserver_and_a_federation_takes_none(federation):
    for name, content, options in (("list.txt", "a.example", ()), ("all.yaml", YAML, TO_EDUCATION)):
        path = federation.file(name, content)
        assert "--homeserver" in federation("domain", "import", path, *options, ends=2).stderr
    assert federation.json("domain", "list")["revision"] == 1


def test_links_to_clients_come_with_the_file_and_are_checked(federation):
    template = "https://chat.example/?hs={homeserver_url}"
    links = f"    base_url: https://clients.example\n    client_url: {template}\n"
    links += "    phone_url: 'https://m.example/?u={name}'\n"
    text = YAML.replace("    label: Intérieur\n", "    label: Intérieur\n" + links)
    path = federation.file("federation.yaml", text)
    refused = federation("domain", "import", path, ends=1)
    assert "the phone URL knows no {name}" in refused.stderr
    federation("homeserver", "show", "interieur.example", ends=1)
    imported(federation, "federation.yaml", text.replace("{name}", "{user_id}"))
    shown = federation.json("homeserver", "show", "interieur.example")
    assert (shown["base_url"], shown["client_url"]) == ("https://clients.example", template)
    assert shown["phone_url"] == "https://m.example/?u={user_id}"
