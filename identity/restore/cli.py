"""`guichet backup` and `guichet restore`: see whether a backup would do, and load one safely."""

from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import click
from sqlalchemy.orm import Session

from identity.command.files import FILE
from identity.command.opening import (
    author_here,
    build_services_with_secrets,
    change_options,
    changing,
    open_services,
)
from identity.command.outcomes import Failure
from identity.command.printing import (
    as_json,
    print_facts,
    print_json,
    print_message,
    print_table,
    readable_time,
)
from identity.core import continuity
from identity.core.journal import Actor
from identity.invitations import lost as lost_invitations
from identity.people import erasure
from identity.services import Services, WorkerServices

from . import backups, service as restoring

MAX_AGE = 26  # hours
LOST = ("sender", "room_id", "shown", "found_at", "emptied_at", "why")
TOLD = {
    "mails": "mails not sent",
    "invitations": "invitations perhaps mailed",
    "list_rows": "people of lists not invited",
    "reminders": "reminders not sent",
    "probes": "people not told that their homeserver is back",
    "account_attempts": "accounts to be asked for again",
    "sessions": "sessions ended",
    "tokens": "tokens ended",
    "codes": "codes ended",
    "erased": "people erased again",
    "looks": "addresses to be asked for",
    "operators": "operators to be confirmed",
}
"""What is printed of `Begun`."""


@click.group()
def backup() -> None:
    """See whether a backup would bring everything back."""


@backup.command()
@click.argument("file", type=FILE, required=False)
@click.option(
    "--max-age",
    default=MAX_AGE,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="HOURS",
    help="Fail if FILE is older.",
)
@as_json
def check(file: Path | None, *, max_age: int) -> None:
    """Check that FILE, a dump of the database, is fresh, and that the keys here open the database.

    A backup needs three things: the database, the keys (GUICHET_SECRET_KEYS,
    GUICHET_STORAGE_KEYS, GUICHET_HOMESERVER_KEYS) and the settings. Keep the keys apart from the
    database: who has both can read everything. Run this after each dump; guichet doctor then
    says when none was seen for a day. Without FILE, only the keys are tried.

    \b
    JSON: {"keys": [{"what": text, "tried", "closed": number}], "made_at": time or null,
           "is_good": boolean}
    """  # noqa: D301  \b is click's: keep these lines
    with open_services(build_services_with_secrets) as services:
        now = services.now()
        made_at = _made_at(file) if file else None
        halves = services.private_halves if isinstance(services, WorkerServices) else None
        with services.database.reading() as session:
            tried = list(backups.try_keys(session, services.vault, halves))
        opens = not any(each.closed for each in tried)
        is_fresh = made_at is None or now - made_at <= timedelta(hours=max_age)
        if made_at is not None and opens and is_fresh:
            with services.database.transaction() as session:
                continuity.record_backup(session, now, made_at)
    facts = {"keys": [asdict(each) for each in tried], "made_at": made_at}
    if not print_json(facts | {"is_good": opens and is_fresh}):
        print_table(
            ("what", "tried", "not opened"),
            ((each.what, str(each.tried), str(each.closed)) for each in tried),
        )
    if halves is None:
        print_message("The worker's keys are not here: secrets of homeservers were not tried.")
    if not opens:
        raise Failure("the keys here do not open all that is stored: give the old keys as well")
    if made_at is not None and not is_fresh:
        raise Failure(f"{file} was made {readable_time(made_at)}, more than {max_age} hours ago")


@click.group()
def restore() -> None:
    """Bring Guichet back after a backup of its database was loaded.

    Stop the workers, load the dump, run begin, start the workers, look at plan, and run resume. A
    worker that finds an older database than its machine has seen holds all jobs by itself.
    """


@restore.command()
@click.option(
    "--keep-mails",
    is_flag=True,
    help="Send the mails that waited when the backup was made: some perhaps a second time.",
)
@change_options
def begin(*, keep_mails: bool, author: str, reason: str, dry_run: bool) -> None:
    """Hold all jobs, and end what may have been done since the backup was made.

    Mails that waited then are not sent, people of lists are not invited, and all sessions, tokens
    and codes end. What can be asked for first is not lost: see plan. The modules in homeservers
    report all addresses again, and the invitations that stand in their rooms.

    \b
    JSON: {"mails", "invitations", "list_rows", "reminders", "probes", "sessions", "tokens",
           "codes", "account_attempts", "looks", "operators", "erased": number, "credentials": [homeserver],
           "not_erased": [when somebody was erased who cannot be found again], "dry_run": boolean}
    """  # noqa: D301  \b is click's: keep these lines
    who = author_here(author=author, reason=reason)
    with changing(dry_run=dry_run) as (services, session):
        ended = restoring.begin(
            session,
            services.now(),
            who,
            last_seen=services.last_seen,
            keeps_mails=keep_mails,
            erase_again=partial(_erase_again, services, who, dry_run=dry_run),
        )
        unknown = _not_found(services, session)
    facts = asdict(ended) | {"not_erased": unknown}
    _tell_not_found(unknown)
    if not print_json(facts | {"dry_run": dry_run}):
        print_facts((TOLD[name], str(value)) for name, value in facts.items() if name in TOLD)
    if dry_run:
        print_message("Nothing was written.")
        return
    for name in ended.credentials:
        print_message(
            f"A credential of {name} that had ended may be valid again: "
            f"guichet homeserver rotate-credential {name}"
        )
    if ended.operators:
        print_message("Operators come in again once they are confirmed: guichet ops confirm")
    print_message("All jobs are held. Look at guichet restore plan, then guichet restore resume.")


@restore.command()
@as_json
def plan() -> None:
    """Show what `resume` lets go. Modules add to it within a minute after `begin`.

    \b
    JSON: {"held_since": time or null, "why": text,
           "jobs": [{"kind", "does": text, "count": number}]}
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        row = continuity.find(session)
        held_since, why = (row.held_since, row.held_why) if row else (None, continuity.MISSING)
        planned = restoring.plan(session)
    facts = {"held_since": held_since, "why": why, "jobs": [asdict(each) for each in planned]}
    if print_json(facts):
        return
    print_table(
        ("kind", "jobs", "what each does"),
        ((each.kind, str(each.count), each.does) for each in planned),
    )
    if held_since is None:
        print_message("Nothing is held.")
    else:
        print_message(f"Held since {readable_time(held_since)}: {why}")


@restore.command()
@change_options
def resume(*, author: str, reason: str, dry_run: bool) -> None:
    """Let all jobs go again, after `begin`.

    JSON: {"resumed", "dry_run": boolean}
    """
    with changing(dry_run=dry_run) as (services, session):
        restoring.resume(session, services.now(), author_here(author=author, reason=reason))
    print_json({"resumed": not dry_run, "dry_run": dry_run})
    print_message("Nothing was written." if dry_run else "Jobs are carried out again.")


@restore.command()
@change_options
def dismiss(*, author: str, reason: str, dry_run: bool) -> None:
    """Let all jobs go although the database went back, without `begin`.

    Only if nothing was done that this database does not know, as after a failed upgrade with all
    workers stopped. Otherwise mails leave twice.

    JSON: {"dismissed", "dry_run": boolean}
    """
    who = author_here(author=author, reason=reason)
    with changing(dry_run=dry_run) as (services, session):
        again = partial(_erase_again, services, who, dry_run=dry_run)
        restoring.dismiss(session, services.now(), who, erase_again=again)
        unknown = _not_found(services, session)
    _tell_not_found(unknown)
    print_json({"dismissed": not dry_run, "dry_run": dry_run})
    print_message("Nothing was written." if dry_run else "Jobs are carried out again.")


@restore.command()
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1, 10_000))
@as_json
def lost(*, limit: int) -> None:
    """List the invitations by mail that were made after the backup, by inviter and room.

    Nobody can accept them. They are taken out of their rooms; their inviters can invite again.

    \b
    JSON: [{"sender", "room_id", "shown": text, "found_at": time, "emptied_at": time or null,
            "why": text or null}]
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        found = lost_invitations.find_all(session, limit=limit)
    facts = [{name: getattr(each, name) for name in LOST} for each in found]
    if print_json(facts):
        return
    print_table(
        ("inviter", "room", "who", "out of the room"),
        (
            (each.sender, each.room_id, each.shown, each.why or _readable(each.emptied_at))
            for each in found
        ),
    )


def _erase_again(services: Services, who: Actor, session: Session, *, dry_run: bool) -> int:
    log, now = services.settings.erasure_log_file, services.now()
    # The log outside the database is not rolled back with a dry run.
    done = erasure.replay(session, services.hashes, now, who, log=log, writes=not dry_run)
    return len(done)


def _not_found(services: Services, session: Session) -> list[str]:
    log = services.settings.erasure_log_file
    return erasure.unreplayable(session, services.hashes, log=log)


def _tell_not_found(moments: list[str]) -> None:
    if moments:
        print_message(
            f"{len(moments)} people were erased whom this backup may hold, and who cannot be found: it "
            "has another key for hashes. Erase them again by guichet person erase; they were erased at "
            f"{', '.join(moments)}."
        )


def _readable(moment: datetime | None) -> str:
    return readable_time(moment) if moment else "not yet"


def _made_at(file: Path) -> datetime:
    try:
        return backups.made_at(file)
    except (OSError, ValueError) as error:
        raise Failure(str(error)) from None
