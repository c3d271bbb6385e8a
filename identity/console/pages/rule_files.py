"""/admin/changes/import and the export of rules: files that become the lines of a change, and back."""

from http import HTTPStatus
from typing import Any, Final

from flask import Response, make_response, request

from domain_rules.csv_rules import write_csv
from domain_rules.located import LineFault
from domain_rules.writing import write_yaml
from identity.core import journal
from identity.homeservers import models as homeservers
from identity.operators.roles import Deed
from identity.problems import (
    NoSuchChange,
    NoSuchRevision,
    NotForAgents,
    NotPermitted,
    UnreadableFile,
    WrongParameter,
)
from identity.rule_changes import changes, files, import_proof
from identity.rule_changes.as_of import load_rules, read_as_of
from identity.rule_changes.change_models import Origin
from identity.rule_changes.files import Content, Existing, Format, OfLists
from identity.rule_changes.import_proof import ImportProof
from identity.web.rendering import Fault
from identity.web.request_context import services
from identity.web.wording import text

from .frame import blueprint, form, go_to, say, screen, show, typed_reason
from .operator_session import actor, operator

MAX_BYTES: Final = 10_000_000
MAX_FORM: Final = MAX_BYTES + 100_000  # for the fields beside the file
MAX_YAML: Final = 500_000  # characters: reading YAML is slow, and a request must not last
SHOWN: Final = 200  # lines of a table


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
    """Make a change of the lines of a file, and have it counted. Refused lines are shown."""
    given = request.files.get("file")
    name = given.filename or "" if given else ""
    content = given.read(MAX_BYTES + 1) if given else b""
    if given:
        given.close()
    if not content:
        return _page([Fault("file", text("console.import.fault.none"))])
    if len(content) > MAX_BYTES:
        return _page([Fault("file", text("console.import.fault.long"))])
    try:
        read = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _page([Fault("file", text("console.import.fault.encoding"))])
    form_of = files.format_of(name, read)
    if form_of is Format.YAML and len(read) > MAX_YAML:
        return _page([Fault("file", text("console.import.fault.yaml"))])
    with services.database.reading() as session:
        here = files.find_existing(session)
    try:
        found = files.read(name, read, here, _of_lists(form_of))
    except UnreadableFile as problem:
        is_list = form_of is Format.LIST
        said = text("console.import.fault.list") if is_list else str(problem)
        return _page([Fault("homeserver" if is_list else "file", said)])
    return _make(name, found, here)


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


def _make(name: str, found: Content, here: Existing) -> Response:
    """The change of what was read; the page names what was refused."""
    put, gone = files.lines_of(found, here, exactly="exactly" in request.form)
    if not put and not gone:
        return _outcome(found, here, None)
    title = " ".join(request.form.get("title", "").split()) or _title(name)
    who, now = operator(), services.now()
    try:
        with services.database.transaction() as session:
            made = changes.make(
                session,
                now,
                actor(typed_reason()),
                title=title,
                operator_id=who.operator_id,
                origin=Origin.IMPORT,
                put=put,
                take_away=gone,
                scope=who.scope,
            )
            changes.order_check(session, now, actor(typed_reason()), made)
            number = made.number
    except (NotForAgents, NotPermitted):
        return _page([Fault("file", text("console.change.fault.scope"))])
    if found.faults or found.old:
        return _outcome(found, here, number)
    say("console.change.made", change=f"C-{number}")
    return go_to("change", number=number)


def _title(name: str) -> str:
    """Of the file's name, as far as it can be printed."""
    shown = "".join(letter for letter in name if letter.isprintable())[:80]
    return str(text("console.import.title", file=shown).unescape())


def _outcome(found: Content, here: Existing, number: int | None) -> Response:
    """What was refused and why, and what an old file answers otherwise than before."""
    proof = import_proof.make_proof(found, here.rules, services.now())
    return show(
        "import_outcome",
        status=HTTPStatus.OK,
        number=number,
        rules=len(found.rules),
        refused=[_described(fault) for fault in found.faults[:SHOWN]],
        all_refused=len(found.faults),
        duplicates=len(found.duplicates),
        servers=[each.name for each in found.homeservers if each.name not in here.homeservers],
        proof=_proof(proof) if proof else None,
        most=SHOWN,
    )


def _described(fault: LineFault) -> dict[str, Any]:
    return {"line": fault.line, "text": fault.text[:SHOWN], "reason": fault.reason}


def _proof(found: ImportProof) -> dict[str, Any]:
    told = import_proof.describe_proof(found)
    return told | {name: told[name][:SHOWN] for name in ("differences", "dangers")}


def _of_lists(form_of: Format) -> OfLists:
    """What the form says about a plain list; other files say it themselves."""
    if form_of is not Format.LIST:
        return OfLists()
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
