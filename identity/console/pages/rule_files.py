"""/admin/changes/import and the export of rules: files that become the lines of a change, and back."""

import uuid
from http import HTTPStatus
from typing import Any, Final

from flask import Response, abort, make_response, request

from domain_rules.csv_rules import write_csv
from domain_rules.writing import write_yaml
from identity.core import journal
from identity.homeservers import models as homeservers
from identity.operators.roles import Deed
from identity.problems import (
    NoSuchChange,
    NoSuchRevision,
    NotNow,
    Problem,
    UnreadableFile,
    WrongParameter,
)
from identity.rule_changes import files, imports
from identity.rule_changes.as_of import load_rules, read_as_of
from identity.rule_changes.files import Format, OfLists
from identity.web import wording
from identity.web.rendering import Fault
from identity.web.request_context import services
from identity.web.wording import text

from .frame import blueprint, form, go_to, screen, show, typed_reason
from .operator_session import actor, operator

MAX_FORM: Final = imports.MAX_BYTES + 100_000  # for the fields beside the file


@blueprint.url_value_preprocessor
def take_larger_forms(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Allow a larger request for a file than for others; anything larger is refused unread."""
    if endpoint == f"{blueprint.name}.{import_rules.__name__}":
        request.max_content_length = request.max_form_memory_size = MAX_FORM


@screen("/changes/import", Deed.DRAFT)
def import_page() -> Response:
    """The field for a file."""
    return _page()


@form("/changes/import", Deed.DRAFT)
def import_rules() -> Response:
    """Let the worker read a file and make a change of its lines."""
    sent = _sent_file()
    if isinstance(sent, Fault):
        return _page([sent])
    name, content = sent
    of_lists = _of_lists()
    if files.format_of(name, content) is Format.LIST and not of_lists.homeserver:
        return _page([Fault("homeserver", text("console.import.fault.list"))])
    who = operator()
    try:
        with services.database.transaction() as session:
            made = imports.send(
                session,
                services.now(),
                actor(typed_reason()),
                name=name,
                content=content,
                title=" ".join(request.form.get("title", "").split()) or _title(name),
                operator_id=who.operator_id,
                of_lists=of_lists,
                exactly="exactly" in request.form,
                scope=who.scope,
            )
            made_id = made.id
    except (UnreadableFile, WrongParameter, NotNow) as problem:
        return _page([_fault_of(problem)])
    return go_to("import_outcome", import_id=made_id)


@screen("/changes/import/<uuid:import_id>", Deed.DRAFT)
def import_outcome(import_id: uuid.UUID) -> Response:
    """What became of a file. One without faults leads to its change."""
    with services.database.reading() as session:
        found = imports.find(session, import_id, operator().operator_id)
        if found is None:
            abort(HTTPStatus.NOT_FOUND)
        told = imports.describe(session, found)
    said, number = told["outcome"], _number(told["change"])
    if "refused" in said:
        spoken = wording.language()
        said = said | {"refused": [imports.say_refused(each, spoken) for each in said["refused"]]}
    is_clean = number and not said["refused"] and said["proof"] is None
    if is_clean:
        return go_to("change", number=number)
    return show("import_outcome", file=told, number=number, said=said, most=imports.SHOWN)


@form("/domains/export", Deed.EXPORT_RULES)
def export_rules() -> Response:
    """A file of the rules that `import` reads again, as of now, a revision or a change."""
    as_csv = request.form.get("format") == "csv"
    try:
        moment = read_as_of(request.form.get("as_of", ""))
        with services.database.transaction() as session:
            found = load_rules(session, moment, operator().scope)
            facts = {
                "rules": len(found),
                "as_of": str(moment),
                "format": "csv" if as_csv else "yaml",
            }
            journal.write(
                session,
                services.now(),
                actor(typed_reason()),
                action="rules.export",
                subject="rules",
                facts=facts,
            )
    except (WrongParameter, NoSuchRevision, NoSuchChange):
        return go_to("domains")
    whole = write_csv(found) if as_csv else write_yaml(found)
    response = make_response(whole)
    kind = "csv" if as_csv else "yaml"
    response.headers["Content-Type"] = f"text/{kind}; charset=utf-8"
    label = str(moment) or "now"
    response.headers["Content-Disposition"] = f'attachment; filename="rules-{label}.{kind}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _sent_file() -> tuple[str, str] | Fault:
    """Name and content of the file in the form, or what is wrong with it."""
    given = request.files.get("file")
    name = given.filename or "" if given else ""
    content = given.read(imports.MAX_BYTES + 1) if given else b""
    if given:
        given.close()
    if not content:
        return Fault("file", text("console.import.fault.none"))
    if len(content) > imports.MAX_BYTES:
        return Fault("file", text("console.import.fault.long"))
    try:
        read = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        read = "\0"
    if "\0" in read:
        return Fault("file", text("console.import.fault.encoding"))
    return name, read


def _fault_of(problem: Problem) -> Fault:
    match problem:
        case WrongParameter():
            return Fault("title", text("console.import.fault.title"))
        case NotNow():
            return Fault("file", text("console.import.fault.waiting"))
        case _:
            return Fault("file", text("console.import.fault.yaml"))


def _title(name: str) -> str:
    """Of the file's name, as far as it can be printed."""
    shown = "".join(letter for letter in name if letter.isprintable())[:80]
    return str(text("console.import.title", file=shown).unescape())


def _number(label: str | None) -> int | None:
    return int(label.removeprefix("C-")) if label else None


def _of_lists() -> OfLists:
    """What the form says about a plain list; other files say it themselves."""
    typed = request.form
    return OfLists(
        homeserver=typed.get("homeserver", ""),
        organisation=typed.get("organisation", "").strip()[:200],
        suffix="suffix" in typed,
        guest="guest" in typed,
    )


def _page(faults: list[Fault] | None = None) -> Response:
    with services.database.reading() as session:
        servers = [each.name for each in homeservers.find_all(session)]
    choices = [("", ""), *((name, name) for name in servers)]
    return show("import", faults=faults or (), servers=choices)
