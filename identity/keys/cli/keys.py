"""`guichet keys`: list, rotate and import signing keys; make and use the key pair of the worker."""

from pathlib import Path

import click

from identity.command.files import FILE, read_text
from identity.command.opening import (
    author_here,
    build_services_with_secrets,
    change_options,
    changing,
    open_services,
)
from identity.command.outcomes import Failure
from identity.command.printing import as_json, print_json, print_message, print_table
from identity.core.sealing import CannotOpen, PrivateHalves, PublicHalf, new_pair
from identity.core.signatures import SigningKey, read_keys
from identity.homeservers import secrets as homeserver_secrets
from identity.keys import models as stored_keys, service as signing_keys
from identity.services import Services, WorkerServices


@click.group()
def keys() -> None:
    """Manage signing keys: the newest one signs.

    `pair` and `reseal` are about the key pair of the worker, which opens homeservers' secrets.
    """


@keys.command(name="list")
@as_json
def list_() -> None:
    """List the signing keys, the one that signs first. The first is made when it is needed.

    \b
    JSON: [{"key_id", "public_key": text, "signs": boolean, "since": time}]
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        found = list(reversed(stored_keys.find_all(session)))
        public, sealed = services.public_half, homeserver_secrets.count_by_key(session)
    print_message(
        f"Homeservers' secrets are sealed to {public.text}: {_described_count(sealed, public)}."
    )
    shown = [
        {
            "key_id": row.key_id,
            "public_key": row.public_key,
            "signs": row is found[0],
            "since": row.created_at.isoformat(),
        }
        for row in found
    ]
    if not print_json(shown):
        print_table(
            ("key", "public half", "", "since"),
            (
                (
                    row.key_id,
                    row.public_key,
                    "signs" if row is found[0] else "old",
                    f"{row.created_at:%Y-%m-%d %H:%M}Z",
                )
                for row in found
            ),
        )


@keys.command()
@change_options
def rotate(*, author: str, reason: str, dry_run: bool) -> None:
    """Sign with a new key from now on, and re-seal stored secrets with the storage key in use.

    All nodes use it at once, without a restart. Old keys stay valid: invitations in rooms use them.

    JSON: {"key_id", "public_key": text, "dry_run": boolean}
    """
    sealed = _reseal_storage(dry_run=dry_run)
    with changing(dry_run=dry_run, build=build_services_with_secrets) as (services, session):
        moved = homeserver_secrets.reseal(
            session, services.vault, services.public_half, _halves(services)
        )
        made = signing_keys.rotate(
            session, services.vault, services.now(), author_here(author=author, reason=reason)
        )
    _print_key(made, dry_run=dry_run)
    if dry_run:
        print_message("A key would be made. Nothing was written.")
    else:
        print_message(
            f"It signs from now on. {sealed} secrets were sealed anew with the storage key in use."
        )
        print_message(
            f"{moved} secrets of homeservers are sealed anew to {services.public_half.text}."
        )


@keys.command(name="import")
@click.argument("file", type=FILE)
@change_options
def import_(file: Path, *, author: str, reason: str, dry_run: bool) -> None:
    """Import the signing key in FILE; it signs from now on.

    FILE has a line `ed25519 NAME SEED`, as Sydent and Synapse write it, or is Sydent's
    configuration with its line `ed25519.signingkey`.

    JSON: {"key_id", "public_key": text, "dry_run": boolean}
    """
    found = read_keys(read_text(file))
    if len(found) != 1:
        raise Failure(f"{file}: {len(found)} lines with a key (ed25519 NAME SEED); one is wanted")
    key = found[0]
    with changing(dry_run=dry_run) as (services, session):
        me = author_here(author=author, reason=reason)
        is_new = signing_keys.import_key(session, services.vault, services.now(), key, me)
    _print_key(key, dry_run=dry_run)
    if not is_new:
        print_message("This key is here already. Nothing was changed.")
    else:
        print_message(
            "It would be taken. Nothing was written." if dry_run else "It signs from now on."
        )


@keys.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def pair(file: Path) -> None:
    """Make a key pair: write the private half to FILE, for the worker only; print the public half.

    If FILE has a private half already, the new one is appended. Give FILE to the workers first,
    then the public half to all nodes, then run `guichet keys reseal` on a machine with a
    worker.
    """
    private, public = new_pair()
    is_new = not file.exists()
    if is_new:
        file.touch(mode=0o600)
    with file.open("r+") as private_file:
        before = private_file.read().strip()
        private_file.seek(0)
        private_file.write(",".join(filter(None, (before, private.get_secret_value()))) + "\n")
    click.echo(public.text)
    print_message(f"Its private half {'stands in' if is_new else 'was added to'} {file}.")


@keys.command()
@change_options
def reseal(*, author: str, reason: str, dry_run: bool) -> None:
    """Re-seal all stored secrets with the storage key in use, and homeservers' to the worker's pair.

    Do it after another storage key was activated, after an upgrade, or with a new pair.
    Homeservers' secrets of an older pair can be re-sealed only with the private halves
    (GUICHET_HOMESERVER_KEYS). The worker does the same every night.

    JSON: {"resealed": number, "left": number, "storage": number, "dry_run": boolean}
    """
    stored = _reseal_storage(dry_run=dry_run)
    with changing(dry_run=dry_run, build=build_services_with_secrets) as (services, session):
        public = services.public_half
        me = author_here(author=author, reason=reason)
        count = homeserver_secrets.reseal_by(
            session, services.now(), me, services.vault, public=public, private=_halves(services)
        )
        sealed = homeserver_secrets.count_by_key(session)
    left = sum(sealed.values()) - sealed.get(public.key_id, 0)
    print_json({"resealed": count, "left": left, "storage": stored, "dry_run": dry_run})
    print_message(
        f"{stored} secrets {'would be' if dry_run else 'were'} sealed anew with the storage key in use."
    )
    print_message(
        f"{count} secrets of homeservers {'would be' if dry_run else 'were'} sealed anew: "
        f"{_described_count(sealed, public)}."
    )
    if left:
        print_message(
            "The others were sealed to an older pair: run this with GUICHET_HOMESERVER_KEYS."
        )


def _reseal_storage(*, dry_run: bool) -> int:
    """Re-seal with the storage key in use. Raises CannotOpen if a key of something is missing."""
    with open_services() as services:
        with services.database.reading() as session:
            if signing_keys.count_closed(session, services.vault):
                raise CannotOpen
            if dry_run:
                return signing_keys.count_sealed_before(session, services.vault)
        return signing_keys.reseal(services.database, services.vault).count


def _described_count(sealed: dict[str, int], public: PublicHalf) -> str:
    return f"{sealed.get(public.key_id, 0)} of {sum(sealed.values())}"


def _halves(services: Services) -> PrivateHalves | None:
    return services.private_halves if isinstance(services, WorkerServices) else None


def _print_key(key: SigningKey, *, dry_run: bool) -> None:
    if not print_json({"key_id": key.key_id, "public_key": key.public, "dry_run": dry_run}):
        click.echo(f"{key.key_id}\t{key.public}")
