"""Files of rules become the lines of a change, and what is exported is imported without a difference."""

import io
import re

import pytest
from sqlalchemy import select, update
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from domain_rules.csv_rules import write_csv
from identity.core import journal
from identity.core.outbox import Job, Lane
from identity.operators.roles import Role, Scope
from identity.rule_changes import changes, files, service
from identity.rule_changes.imports import MOST_WAITING, RuleImport
from tests.worlds.console import *
from tests.worlds.rule_changing import *
from tests.worlds.services import OPERATOR, agent
from tests.worlds.visitors import heading, words
from workers import tasks

OLD = """\
medium:
  email:
    patterns:
      - '.*@ac-lille\\.example': {hs: education.example}
      - '.*@(a+)+\\.example': {hs: education.example}
"""


@pytest.fixture
def editor(sign_in, emil):
    return sign_in(emil)


@pytest.fixture
def send_file(editor, work):
    """Send a file by the form of the page."""

    def send_file(content, name, *, by=editor, works=True, **fields):
        by.get("/admin/changes/import")
        token = re.search(r'csrf_token" value="([^"]+)"', by.seen)[1]
        file = FileStorage(io.BytesIO(content), name)
        boundary, body = encode_multipart({"csrf_token": token, "file": file, **fields})
        kind = f"multipart/form-data; boundary={boundary}"
        answer = by.client.post(
            "/admin/changes/import", data=body, content_type=kind, headers=by.headers
        )
        if answer.status_code != 303:
            return answer
        if works:
            work()
        page = by.get(answer.location)
        return by.get(page.location) if page.status_code == 303 else page

    return send_file


@pytest.fixture
def lines(services):
    def lines():
        with services.database.reading() as session:
            found = changes.find_changes(session).items
            return [(each.label, each.lines, each.state) for each in found]

    return lines


def test_a_file_becomes_a_change_and_refused_lines_are_named(send_file, lines):
    rules = [agent(f"d{number}.example", "Ville") for number in range(40)]
    text = write_csv(rules).splitlines()
    text[5] = text[5].replace(".example", " example", 1)
    text[6] = text[6].replace("education.example", "nowhere.example")
    text.append(text[1].replace("d0.example", "gmail.com"))
    told = words(send_file("\n".join(text).encode(), "rules.csv"))
    assert "Its lines are in the change C-1" in told
    assert ("Rules read 38" in told, "Refused lines 3" in told) == (True, True)
    assert ("nowhere.example" in told, "gmail.com" in told) == (True, True)
    assert lines() == [("C-1", 38, "checked")]


def test_refused_lines_are_said_in_the_language_of_the_reader(send_file, sign_in, emil):
    text = write_csv([agent("d0.example"), agent("d1.example")])
    text = text.replace("d1.example", "gmail.com") + "domain;d0 example\n"
    page = send_file(text.encode(), "rules.csv", by=sign_in(emil, language="fr"))
    told = words(page)
    assert "C’est un service de courriel gratuit" in told
    assert "free mail" not in told
    old = send_file(OLD.encode(), "info.yaml", by=sign_in(emil, language="fr"))
    assert "incompris : " in words(old)


def test_a_file_without_faults_leads_to_its_change(send_file):
    page = send_file(write_csv([agent("new.example")]).encode(), "rules.csv")
    assert heading(page) == "Change C-1: Import of rules.csv"
    assert "+ added new.example" in words(page)


def test_until_it_is_read_the_page_says_so_and_only_to_its_sender(
    send_file, editor, sign_in, make_operator, services, work
):
    page = send_file(write_csv([agent("new.example")]).encode(), "rules.csv", works=False)
    assert heading(page) == "The file is being read"
    path = page.request.path
    assert sign_in(make_operator("Ugo", Role.EDITOR)).get(path).status_code == 404
    with services.database.reading() as session:
        assert "new.example" in session.scalars(select(RuleImport.content)).one()
    work()
    assert heading(editor.get(path)) == "Change C-1: Import of rules.csv"
    with services.database.reading() as session:
        assert session.scalars(select(RuleImport.content)).one() == ""


def test_a_file_outside_the_scope_makes_no_change(send_file, sign_in, make_operator, lines):
    eva = make_operator("Eva", Role.EDITOR, scope=Scope(homeservers=frozenset({GUESTS})))
    content = write_csv([agent("new.example")]).encode()
    page = send_file(content, "rules.csv", by=sign_in(eva))
    assert heading(page) == "File not imported"
    assert "A line lies outside what you look after" in words(page)
    assert lines() == []


def test_nobody_lets_more_than_a_few_files_wait(send_file):
    content = write_csv([agent("new.example")]).encode()
    for _ in range(MOST_WAITING):
        assert send_file(content, "rules.csv", works=False).status_code == 200
    refused = send_file(content, "rules.csv", works=False)
    assert (refused.status_code, "Several of your files wait" in words(refused)) == (400, True)


def test_a_file_that_two_workers_read_becomes_one_change(send_file, services, lines, monkeypatch):
    send_file(write_csv([agent("new.example")]).encode(), "rules.csv", works=False)
    read = files.read

    def slow(*given):
        monkeypatch.setattr(files, "read", read)
        with services.database.transaction() as session:  # its lease ends while it reads
            session.execute(
                update(Job).where(Job.kind == "rule_import").values(due_at=services.now())
            )
        tasks.run_lane(services, Lane.BULK)
        return read(*given)

    monkeypatch.setattr(files, "read", slow)
    tasks.run_lane(services, Lane.BULK)
    assert [each[:2] for each in lines()] == [("C-1", 1)]


@pytest.mark.parametrize("form", ["yaml", "csv"])
def test_what_is_exported_is_imported_without_a_difference(
    services, editor, send_file, lines, clock, form
):
    with services.database.transaction() as session:
        put = [agent("école.example".encode("idna").decode(), "École")]
        service.publish(session, clock(), service.compare(session, put=put), OPERATOR)
    editor.get("/admin/domains")
    file = editor.post("/admin/domains/export", format=form)
    assert file.headers["Content-Disposition"] == f'attachment; filename="rules-now.{form}"'
    assert heading(send_file(file.data, f"rules.{form}", exactly="1")) == "Nothing to change"
    assert lines() == []
    with services.database.reading() as session:
        written = journal.find_recent(session, action="rules.export")
    assert [row.actor for row in written] == ["Emil"]


def test_an_earlier_revision_is_exported_and_made_so_exactly(
    services, editor, send_file, lines, clock
):
    with services.database.transaction() as session:
        found = service.compare(session, put=[agent("later.example")])
        service.publish(session, clock(), found, OPERATOR)
    editor.get("/admin/domains")
    file = editor.post("/admin/domains/export", format="yaml", as_of="1")
    assert b"later.example" not in file.data
    page = send_file(file.data, "rules-1.yaml", exactly="1")
    assert "− removed later.example" in words(page)
    assert lines() == [("C-1", 1, "checked")]


def test_a_list_needs_a_homeserver_and_takes_what_the_form_says(send_file, lines):
    content = b"# towns\nville.example\nbourg.example\n"
    asked = send_file(content, "towns.txt")
    assert (asked.status_code, "Choose the homeserver" in words(asked)) == (400, True)
    send_file(content, "towns.txt", homeserver=EDUCATION, organisation="Towns")
    assert lines() == [("C-1", 2, "checked")]


def test_an_old_file_is_compared_with_what_its_server_answered(send_file):
    told = words(send_file(OLD.encode(), "info.yaml"))
    assert "Compared with the old server" in told
    assert "addresses tried" in told


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"", "rules.csv", "Choose a file."),
        (b"\xff\xfe\x00", "rules.csv", "The file is not UTF-8."),
        (b"a\0b", "rules.csv", "The file is not UTF-8."),
        (b"rules:\n" + b"  - domain: x.example\n" * 240_000, "rules.yaml", "5,000,000 characters"),
    ],
)
def test_a_file_that_cannot_be_read_is_said_to_be_so(send_file, lines, content, name, said):
    answer = send_file(content, name)
    assert (answer.status_code, said in words(answer)) == (400, True)
    assert lines() == []


def test_a_file_that_the_worker_cannot_read_is_said_to_be_so(send_file, lines):
    page = send_file(b"rules: [\n", "rules.yaml")
    assert heading(page) == "File not imported"
    assert "The file cannot be read: rules.yaml: line 2" in words(page)
    assert lines() == []


def test_an_export_asks_the_second_factor_and_holds_only_what_lies_in_the_scope(
    sign_in, make_operator, apps, clock
):
    scope = Scope(homeservers=frozenset({GUESTS}))
    eva = make_operator("Eva", Role.EDITOR, scope=scope)
    apps.enrol(eva)
    browser = sign_in(eva)
    clock.advance(minutes=11)
    browser.get("/admin/domains")
    assert heading(browser.post("/admin/domains/export", format="csv")) == "Confirm"
    code = apps.code(eva)
    file = browser.post("/admin/domains/export", format="csv", second_factor=code)
    assert (GUESTS in file.text, "ac-rouen.example" in file.text) == (True, False)
