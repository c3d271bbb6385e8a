"""What support and admins do in a person file: unlock, send again, free, answer, export, erase."""

import json
import uuid
from datetime import datetime
from http import HTTPStatus

from flask import Response, abort, request

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from identity.core.dates import Dates
from identity.operators.roles import Deed
from identity.people import erasure, files, helping, in_short, service as people
from identity.people.erased_outside import erase_outside
from identity.translations import choose_language, texts
from identity.web.rendering import Fault
from identity.web.request_context import services
from identity.web.wording import clock, text

from .frame import form, go_to, say, screen, show, typed_reason
from .operator_session import actor
from .people import find_or_404, open_for

TYPED = "address"  # the field in which an address is typed once more


@form("/people/<uuid:file_id>/unlock", Deed.HELP_PERSON)
def unlock_person(file_id: uuid.UUID) -> Response:
    """Give their codes all tries again: the code that they have in their mail is right again."""
    with services.database.transaction() as database:
        opened = find_or_404(database, file_id)
        unlocked = helping.unlock_codes(
            *(database, services.hashes, services.now(), actor(typed_reason()), opened.person)
        )
    say("console.person.unlocked" if unlocked else "console.person.nothing_locked")
    return go_to("person", file_id=file_id)


@form("/people/<uuid:file_id>/send-again", Deed.HELP_PERSON)
def send_person_mail_again(file_id: uuid.UUID) -> Response:
    """Order the mail again that they wait for; the limits on mails hold."""
    with services.database.transaction() as database:
        opened = find_or_404(database, file_id)
        sent = helping.send_again(
            *(database, services.hashes, services.now(), actor(typed_reason()), opened.person)
        )
    if sent is None:
        say("console.person.nothing_to_send")
    else:
        say("console.person.sent_again", time=clock(sent.leaves_at))
    return go_to("person", file_id=file_id)


@form("/people/<uuid:file_id>/free", Deed.HELP_PERSON)
def free_person_address(file_id: uuid.UUID) -> Response:
    """Write to their address again."""
    with services.database.transaction() as database:
        opened = find_or_404(database, file_id)
        freed = helping.free_address(
            *(database, services.hashes, services.now(), actor(typed_reason()), opened.person)
        )
    say("console.person.freed" if freed else "console.person.not_kept")
    return go_to("person", file_id=file_id)


@screen("/people/<uuid:file_id>/answer", Deed.HELP_PERSON)
def answer_person(file_id: uuid.UUID) -> Response:
    """A text to send to the person, in their language, with nothing of others in it."""
    now = services.now()
    with services.database.reading() as database:
        opened = find_or_404(database, file_id)
        short = in_short.tell(database, services.hashes, now, opened)
    language = choose_language([short.language], services.settings.default_locale)
    dates = Dates(services.settings.time_zone, language)
    values = {
        name: dates.clock_or_date(value, now=now) if isinstance(value, datetime) else value
        for name, value in short.values.items()
    }
    values |= {"service": services.settings.service_name, "url": services.settings.public_url}
    catalogue = texts(language)
    parts = (f"console.answer.{part}" for part in ("begin", short.situation, "end"))
    answer = "\n\n".join(catalogue.gettext(each).format(**values) for each in parts)
    return show("person_answer", file_id=file_id, answer=answer, answer_language=language)


@form("/people/<uuid:file_id>/export", Deed.EXPORT_PERSON)
def export_person(file_id: uuid.UUID) -> Response:
    """Everything stored of the person, as a JSON file for themselves."""
    now = services.now()
    with services.database.transaction() as database:
        opened = find_or_404(database, file_id)
        address = EmailAddress.stored(opened.person.address)
        known = people.known_of(database, services.hashes, now, address)
        helping.record_export(
            *(database, services.hashes, now, actor(typed_reason()), opened.person)
        )
    body = json.dumps(people.export(known, now), ensure_ascii=False, indent=2) + "\n"
    answer = Response(body, mimetype="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="person-{file_id}.json"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


@screen("/people/erase", Deed.ERASE_PERSON)
def erase_somebody() -> Response:
    """For an admin, who reads no files: whom to erase."""
    return show("erase_somebody")


@form("/people/erase", Deed.ERASE_PERSON)
def open_to_erase() -> Response:
    """Open the file for what erasing would do, and for nothing else."""
    return open_for("erase_person", first=_look)


@screen("/people/<uuid:file_id>/erase", Deed.ERASE_PERSON)
def erase_person(file_id: uuid.UUID) -> Response:
    """What erasing would do, if somebody had it looked at; nothing is done."""
    return _erase_page(file_id)


@form("/people/<uuid:file_id>/erase/look", Deed.ERASE_PERSON)
def look_at_erasing(file_id: uuid.UUID) -> Response:
    """See what erasing would do: it is tried in every table, and undone."""
    _look(file_id)
    return go_to("erase_person", file_id=file_id)


@form("/people/<uuid:file_id>/erase", Deed.ERASE_PERSON)
def confirm_erasing(file_id: uuid.UUID) -> Response:
    """Erase the person whose address was typed once more."""
    settings = services.settings
    with services.database.transaction() as database:
        opened = find_or_404(database, file_id)
        address = EmailAddress.stored(opened.person.address)
        if not _is_typed(address):
            done, is_right = None, False
        else:
            is_right = True
            done = erasure.erase(
                *(database, services.hashes, services.now(), address, actor(typed_reason())),
                log=settings.erasure_log_file,
            )
    if not is_right:
        return _erase_page(file_id, [Fault(TYPED, text("console.erase.not_the_address"))])
    if done is None:
        abort(HTTPStatus.NOT_FOUND)
    reached = erase_outside(services.database, settings.mail_dir, services.limits, done)
    say("console.erase.done" if reached else "console.erase.done_but_redis")
    return go_to("home")


def _look(file_id: uuid.UUID) -> None:
    now = services.now()
    with services.database.transaction() as database:
        address = EmailAddress.stored(find_or_404(database, file_id).person.address)
        would = erasure.erase(database, services.hashes, now, address, actor(), log=None)
        database.rollback()
    with services.database.transaction() as database:
        files.keep_look(database, now, find_or_404(database, file_id), would)


def _erase_page(file_id: uuid.UUID, faults: list[Fault] | None = None) -> Response:
    with services.database.reading() as database:
        file = find_or_404(database, file_id).file
    return show(
        "erase_person",
        faults=faults or (),
        file_id=file_id,
        address=EmailAddress.stored(file.address).display,
        reason=file.reason,
        would=file.would_erase,
        looked_at=datetime.fromisoformat(file.would_erase["at"]) if file.would_erase else None,
    )


def _is_typed(address: EmailAddress) -> bool:
    """Whether the form has this address, however it is written."""
    try:
        typed = EmailAddress.parse(request.form.get(TYPED, ""), smtputf8=True)
    except InvalidAddress:
        return False
    return typed.canonical == address.canonical
