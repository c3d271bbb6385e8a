"""The docs say what is true: every setting, every command, every file they point to."""

import re
from pathlib import Path

import click
import pytest

from identity.cli.commands import guichet
from identity.client_links import check_template
from identity.core import exposition
from identity.core.metrics import FAMILIES, NAMESPACE
from identity.env_files import VARIABLE
from identity.health.measured import GAUGES
from identity.setting_sources import PREFIX
from identity.settings import Settings, read_settings

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT)
    for path in (
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "deploy").rglob("*.md"),
    )
)
# The command behind its name; a folder and a database are called like it.
NAMED = re.compile(r"(?:^|[ /])guichet (?!guichet)((?:[a-z][a-z-]* ?)+)", re.MULTILINE)


def read(path: Path | str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_every_setting_is_explained_and_every_explained_setting_exists():
    explained = re.findall(rf"^\| `({PREFIX}\w+)` \|", read("docs/settings.md"), re.MULTILINE)
    assert sorted(explained) == sorted(f"{PREFIX}{name}".upper() for name in Settings.model_fields)


def test_the_sample_settings_are_accepted(tmp_path, monkeypatch):
    """As the command reads them, and with the fewest changes that make them those of a real place."""
    text = read("deploy/guichet.env")
    for name in ("secret_keys", "storage_keys"):
        (tmp_path / name).write_text(f"a-long-and-random-string-for-{name}")
        text = text.replace(f"/etc/guichet/{name}", str(tmp_path / name))
    sample = tmp_path / "guichet.env"
    sample.write_text(text)
    monkeypatch.setenv(VARIABLE, str(sample))
    settings = read_settings()
    assert settings.public_url == "https://guichet.example.org"
    assert settings.mail_from == "Guichet <bonjour@example.org>"
    assert settings.secret_keys[0].get_secret_value() == "a-long-and-random-string-for-secret_keys"
    named = re.findall(rf"^{PREFIX}(\w+?)(?:_FILE)?=", text, re.MULTILINE)
    assert {name.lower() for name in named} <= set(Settings.model_fields)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_command_that_is_named_exists(page):
    """`guichet noun verb`, in code spans and indented or fenced blocks."""
    guichet.load_all()
    text = read(page)
    code = re.findall(r"`([^`\n]+)`", text) + re.findall(r"^(?: {3,}|\t)(.*)$", text, re.MULTILINE)
    code += re.findall(r"^```sh$(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for words in NAMED.findall("\n".join(code)):
        command: click.Command = guichet
        for word in words.split():
            if not isinstance(command, click.Group):
                break
            assert word in command.commands, f"guichet {words}"
            command = command.commands[word]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_to_a_file(page):
    for target in re.findall(r"\]\(([^)#]+)\)", read(page)):
        if not re.match(r"[a-z]+:", target):
            assert (ROOT / page.parent / target).exists(), target


def test_every_page_is_in_the_map():
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages <= set(re.findall(r"\]\(([\w-]+\.md)\)", read("docs/README.md")))


def test_every_template_of_a_client_is_accepted():
    templates = re.findall(r"https://[^\s'`]*\{\w+\}[^\s'`]*", read("docs/clients.md"))
    assert templates
    assert [check_template(template) for template in templates] == templates


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_no_page_has_a_gap_to_be_filled(page):
    assert not re.findall(r"\b(?:TODO|FIXME|XXX|TBD|[A-Z]+_HERE)\b", read(page))


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_path_of_code_that_a_page_names_is_there(page):
    """What stands in a code span and begins with a folder of the code."""
    named = re.findall(r"`((?:identity|domain_rules|workers|tests)/[\w./-]*)`", read(page))
    assert not [path for path in named if not (ROOT / path).exists()]


def test_each_promise_of_the_first_documents_has_its_test():
    named = re.findall(r"^\|.*\| `(test_[a-g]_\w+)` \|$", read("docs/testing.md"), re.MULTILINE)
    tests = re.findall(
        r"^def (test_\w+)", read("tests/synapse/systems/test_systems.py"), re.MULTILINE
    )
    assert sorted(named) == sorted(tests)


def test_the_samples_start_what_there_is():
    for unit in (ROOT / "deploy/systemd").glob("*.service"):
        command = re.search(r"^ExecStart=/opt/guichet/bin/(.+)$", unit.read_text(), re.MULTILINE)
        assert command, unit.name
        assert command[1].startswith(
            ("guichet web --", "guichet db upgrade ", "celery -A workers ")
        )


def test_every_metric_is_explained_with_its_labels_and_every_explained_metric_exists():
    rows = re.findall(
        r"^\| `(guichet_\w+)` \| ([^|]+) \| ([^|]+) \|$", read("docs/metrics.md"), re.MULTILINE
    )
    explained = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels, _said in rows}
    exists = {family.name: {*family.labels} for family in FAMILIES}
    exists |= {NAMESPACE + gauge.name: {*gauge.labels} for gauge in GAUGES}
    exists[exposition.BUILD] = {"version"}
    assert len(rows) == len(explained)
    assert explained == exists
