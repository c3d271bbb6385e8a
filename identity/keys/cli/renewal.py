"""`guichet keys init|stage|activate|retire|status`: the keys in the settings, and their renewal."""

import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import click
from pydantic import SecretStr
from sqlalchemy.orm import Session

from identity.command.opening import author_here, change_options, dry_run, open_services
from identity.command.outcomes import Exit, Failure
from identity.command.printing import as_json, print_json, print_message, print_table
from identity.keys import key_files, process_keys, renewal
from identity.keys.fingerprints import fingerprint
from identity.keys.key_files import Owners, Place
from identity.keys.key_sets import Keys, KeySet, keys_of
from identity.keys.nodes import find_nodes
from identity.keys.renewal import KnownKey, NotYet
from identity.maintenance import keys_in_use
from identity.services import Services
from identity.settings import Settings, new_secret

GROUP, WORKER_USER = "guichet", "guichet-worker"
which_list = click.argument(
    "key_set", metavar="LIST", type=click.Choice([str(each) for each in KeySet])
)
which_key = click.argument("which", metavar="[FINGERPRINT]", required=False)


@click.command()
@click.argument(
    "folder", type=click.Path(file_okay=False, path_type=Path), default=Path("/etc/guichet")
)
@click.option("--group", help=f"Whose members read the shared keys.  [default: {GROUP}]")
@click.option("--worker-user", help=f"Who alone reads the worker's.  [default: {WORKER_USER}]")
@dry_run
@as_json
def init(folder: Path, group: str | None, worker_user: str | None, *, dry_run: bool) -> None:
    """Make all key files in FOLDER (/etc/guichet), and print the lines for guichet.env.

    Files that are there are never overwritten: run it again to see the lines, or after an
    interruption. Run it as root, so that link and storage keys belong to the group of the service
    (mode 0640) and the worker's key to its own user (0400). Otherwise all belong to you alone.

    \b
    JSON: {"files": [{"path", "made": boolean}], "settings": {variable: value}}
    """  # noqa: D301  \b is click's: keep these lines
    folder = folder.absolute()
    owners = _owners(group, worker_user)
    made = key_files.init(folder, owners, dry_run=dry_run)
    path = folder / key_files.HOMESERVER_KEYS
    public = key_files.public_half_in(path) if path.exists() else "hs-public-…"
    lines = key_files.env_lines(folder, public)
    files = [{"path": str(each.path), "made": each.is_new} for each in made]
    if not print_json({"files": files, "settings": dict(lines)}):
        for name, value in lines.items():
            click.echo(f"{name}={value}")
    for each in made:
        done = "would be made" if dry_run else "was made"
        print_message(f"{each.path} {done if each.is_new else 'is there already, and was kept'}.")
    print_message(
        "Put these lines into guichet.env, and copy the files to every node. The worker alone gets "
        f"GUICHET_HOMESERVER_KEYS_FILE={path}, in its unit."
    )
    for fault in [] if dry_run else key_files.faults_in(folder):
        print_message(f"Attention: {fault}.")
    if owners is None:
        print_message(
            "You are not root, so the files are yours: only you can run processes with them."
        )


def _owners(group: str | None, worker_user: str | None) -> Owners | None:
    if os.geteuid() == 0:
        return key_files.find_owners(group or GROUP, worker_user or WORKER_USER)
    if group or worker_user:
        raise Failure("only root can give files to others: sudo guichet keys init …")
    return None


@click.command()
@which_list
@change_options
def stage(key_set: str, *, author: str, reason: str, dry_run: bool) -> None:
    """Add a new key to LIST (link or storage): known, but not in use.

    Then give every node the same keys, restart its processes, and activate the key.

    \b
    JSON: {"fingerprint", "written", "dry_run": boolean}
    """  # noqa: D301  \b is click's: keep these lines
    wanted, key = KeySet(key_set), new_secret()
    who = author_here(author=author, reason=reason)

    def step(services: Services, session: Session, keys: Keys) -> Keys:
        return renewal.stage(session, services.now(), who, keys, key)

    place, changed = _change(wanted, step, dry_run=dry_run)
    named = fingerprint(SecretStr(key))
    _print_change(named, changed, dry_run=dry_run)
    if changed:
        print_message(
            f"{named} was added to {place.path}. Copy that file to every node, restart all "
            f"processes, and run: guichet keys activate {wanted} {named}"
        )
    elif not dry_run:
        print_message(
            f"Nothing was written. Put this key before the last one of {place.where}, on every "
            f"node, restart all processes, and run: guichet keys activate {wanted} {named}"
        )
        click.echo(key, err=True)


@click.command()
@which_list
@which_key
@change_options
def activate(key_set: str, which: str | None, *, author: str, reason: str, dry_run: bool) -> None:
    """Bring the staged key of LIST (link or storage) into use: it moves to the end of the list.

    Refused (exit code 3) until every running process knows the key. Without FINGERPRINT it is the
    only key that was never in use.

    \b
    JSON: {"fingerprint", "written", "dry_run": boolean}
    """  # noqa: D301  \b is click's: keep these lines
    wanted, chosen = KeySet(key_set), ""
    who = author_here(author=author, reason=reason)

    def step(services: Services, session: Session, keys: Keys) -> Keys:
        nonlocal chosen
        nodes = find_nodes(session, services.database_now())
        done = renewal.activate(session, services.now(), who, keys, which=which, nodes=nodes)
        chosen = done.active
        return done

    place, changed = _change(wanted, step, dry_run=dry_run)
    _print_change(chosen, changed, dry_run=dry_run)
    if changed:
        print_message(
            f"{chosen} stands at the end of {place.path}. Copy that file to every node, and restart "
            "all processes. The old key stays known: guichet keys retire says when it may go."
        )
    elif not dry_run:
        print_message(
            f"Nothing was written. Every running process knows {chosen}: move it to the end of "
            f"{place.where} on every node, and restart all processes."
        )
    if wanted is KeySet.STORAGE and not dry_run:
        print_message("Then run guichet keys reseal, or leave it to the worker at night.")


@click.command()
@which_list
@which_key
@click.option("--leaked", is_flag=True, help="Retire it at once: links that it signed end.")
@change_options
def retire(
    key_set: str, which: str | None, *, leaked: bool, author: str, reason: str, dry_run: bool
) -> None:
    """Take an old key out of LIST (link or storage).

    Refused (exit code 3) while something needs it: links that it signed and still live, secrets
    that it sealed, a running process that uses it. Without FINGERPRINT it is the only old key.

    \b
    JSON: {"fingerprint", "written", "dry_run": boolean}
    """  # noqa: D301  \b is click's: keep these lines
    wanted, chosen = KeySet(key_set), ""
    if leaked and wanted is not KeySet.LINK:
        raise click.UsageError("--leaked is for link keys; secrets are resealed first")
    who = author_here(author=author, reason=reason)

    def step(services: Services, session: Session, keys: Keys) -> Keys:
        nonlocal chosen
        chosen, now = which or renewal.old_key(keys), services.now()
        needed = keys_in_use.find_needs(
            session, now, keys, which=chosen, hashes=services.hashes, leaked=leaked
        )
        nodes = find_nodes(session, services.database_now())
        return renewal.retire(session, now, who, keys, which=chosen, nodes=nodes, needed=needed)

    place, changed = _change(wanted, step, dry_run=dry_run)
    _print_change(chosen, changed, dry_run=dry_run)
    if changed:
        print_message(
            f"{chosen} was taken out of {place.path}. Copy that file to every node, and restart "
            "all processes."
        )
    elif not dry_run:
        print_message(
            f"Nothing was written, and nothing needs {chosen}: take it out of {place.where} on "
            "every node, and restart all processes."
        )


@click.command()
@as_json
def status() -> None:
    """Show the link and storage keys by their fingerprints, and which processes lack one.

    \b
    JSON: [{"list", "fingerprint", "active", "was_active": boolean,
            "lacking": [text], "using": [text]}]
    """  # noqa: D301  \b is click's: keep these lines
    found: list[tuple[KeySet, KnownKey]] = []
    with open_services() as services, services.database.reading() as session:
        nodes = find_nodes(session, services.database_now())
        for key_set in KeySet:
            keys = _read(services.settings, key_files.place_of(services.settings, key_set), key_set)
            found += ((key_set, each) for each in renewal.describe(session, keys, nodes))
    shown = [
        {
            "list": str(key_set),
            "fingerprint": each.fingerprint,
            "active": each.is_active,
            "was_active": each.was_active,
            "lacking": each.lacking,
            "using": each.using,
        }
        for key_set, each in found
    ]
    if not print_json(shown):
        rows = ((str(key_set), each.fingerprint, *_words(each)) for key_set, each in found)
        print_table(("list", "key", "", "not known to", "in use at"), rows)
        print_message(f"{len(nodes)} processes are running.")


def _words(key: KnownKey) -> tuple[str, str, str]:
    word = "in use" if key.is_active else "old" if key.was_active else "staged"
    return word, ", ".join(key.lacking), ", ".join(key.using)


def _change(
    key_set: KeySet, step: Callable[[Services, Session, Keys], Keys], *, dry_run: bool
) -> tuple[Place, bool]:
    """Take a step, and write its keys where they belong. Returns whether they were written.

    If this command may not write them, the step is only tried, and its journal row not kept.
    """
    with open_services() as services:
        place = key_files.place_of(services.settings, key_set)
        is_written = place.is_writable and not dry_run
        with place.locked() if is_written else nullcontext():
            before = _read(services.settings, place, key_set)
            try:
                with services.database.transaction() as session:
                    after = step(services, session, before)
                    if is_written:
                        place.write(after)
                    else:
                        session.rollback()
            except NotYet as error:
                raise Failure(str(error), Exit.REFUSED) from error
            except BaseException:
                if is_written and place.read() != before:
                    place.write(before)  # the journal does not tell of it
                raise
    return place, is_written


def _read(settings: Settings, place: Place, key_set: KeySet) -> Keys:
    """The keys as they are written now; those of this process if they have no file of their own."""
    if place.path is not None and place.path.is_file():
        return place.read()
    shared = dict(zip(KeySet, process_keys.shared_keys(settings), strict=True))
    return keys_of(key_set, shared[key_set])


def _print_change(which: str, is_written: bool, *, dry_run: bool) -> None:  # noqa: FBT001  its own result
    print_json({"fingerprint": which, "written": is_written, "dry_run": dry_run})
    if dry_run:
        print_message(f"That can be done with {which}. Nothing was written.")
