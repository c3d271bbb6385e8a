"""`guichet keys`: the keys with which the service signs, and those that open what is kept for others."""

from datetime import datetime
from pathlib import Path

import click

from identity.command.files import FILE, read_text
from identity.command.opening import author, build_services_with_secrets, dry_run, opened, reason
from identity.command.outcomes import Failure
from identity.command.printing import as_json, print_json, print_table, talk
from identity.core.sealing import PrivateHalves, PublicHalf, new_pair
from identity.core.signatures import SigningKey, read_keys
from identity.homeservers import secrets as homeserver_secrets
from identity.maintenance import resealing
from identity.rule_changes.cli.publishing import author_here
from identity.services import Services, WorkerServices

from . import models as rows
from . import service as signing_keys


@click.group()
def keys() -> None:
    """Signing keys: the newest signs; the others stay valid for what they signed.

    `pair` and `reseal` are about the key of the worker, which opens homeservers' secrets.
    """


@keys.command(name="list")
@as_json
def list_(*, json_wanted: bool) -> None:
    """List the keys, the one that signs first. The first key is made when it is first needed.

    \b
    JSON: [{"key_id", "public_key": text, "signs": boolean, "since": time}]
    """  # noqa: D301  \b is click's: keep these lines
    with opened() as services, services.database.reading() as session:
        found = list(reversed(rows.every(session)))
        public, sealed = services.public_half, homeserver_secrets.by_key(session)
    talk(f"Homeservers' secrets are sealed to {public.text}: {_told(sealed, public)}.")
    shown = [
        {
            "key_id": row.key_id,
            "public_key": row.public_key,
            "signs": row is found[0],
            "since": row.created_at.isoformat(),
        }
        for row in found
    ]
    if json_wanted:
        print_json(shown)
        return
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
@author
@reason
@dry_run
@as_json
def rotate(*, author: str, reason: str, dry_run: bool, json_wanted: bool) -> None:
    """Sign with a new key from now on, and seal what is stored anew with the newest storage key.

    All nodes take it at once, nothing needs a restart. Rooms hold the old keys: they stay.

    JSON: {"key_id", "public_key": text, "dry_run": boolean}
    """
    with (
        opened(build=build_services_with_secrets) as services,
        services.database.transaction() as session,
    ):
        sealed = resealing.reseal(session, services.vault)
        moved = homeserver_secrets.reseal(
            session, services.vault, services.public_half, _halves(services)
        )
        made = signing_keys.rotate(
            session, services.vault, services.now(), author_here(author=author, reason=reason)
        )
        if dry_run:
            session.rollback()
    _tell(made, json_wanted=json_wanted, dry_run=dry_run)
    if dry_run:
        talk("A key would be made. Nothing was written.")
    else:
        talk(f"It signs from now on. {sealed} secrets are sealed with the newest storage key.")
        talk(f"{moved} secrets of homeservers are sealed anew to {services.public_half.text}.")


@keys.command(name="import")
@click.argument("file", type=FILE)
@author
@reason
@dry_run
@as_json
def import_(file: Path, *, author: str, reason: str, dry_run: bool, json_wanted: bool) -> None:
    """Take over the key in FILE, which signs from now on: `ed25519 NAME SEED`, as Sydent and Synapse write it.

    FILE may also be Sydent's configuration, with its line `ed25519.signingkey`.

    JSON: {"key_id", "public_key": text, "dry_run": boolean}
    """
    found = read_keys(read_text(file))
    if len(found) != 1:
        raise Failure(f"{file}: {len(found)} lines with a key (ed25519 NAME SEED); one is wanted")
    key = found[0]
    with opened() as services, services.database.transaction() as session:
        now: datetime = services.now()
        is_new = signing_keys.bring_in(
            session, services.vault, now, key, author_here(author=author, reason=reason)
        )
        if dry_run:
            session.rollback()
    _tell(key, json_wanted=json_wanted, dry_run=dry_run)
    if not is_new:
        talk("This key is here already. Nothing was changed.")
    else:
        talk("It would be taken. Nothing was written." if dry_run else "It signs from now on.")


@keys.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def pair(file: Path) -> None:
    """Make a pair of keys: FILE gets the private half, for the worker alone; the public half is printed.

    If FILE has a private half already, the new one is added behind it: give it to the workers first, then the
    public half to everybody, then run `guichet keys reseal` beside a worker.
    """
    private, public = new_pair()
    is_new = not file.exists()
    if is_new:
        file.touch(mode=0o600)
    with file.open("r+") as kept:
        before = kept.read().strip()
        kept.seek(0)
        kept.write(",".join(filter(None, (before, private.get_secret_value()))) + "\n")
    click.echo(public.text)
    talk(f"Its private half {'stands in' if is_new else 'was added to'} {file}.")


@keys.command()
@dry_run
@as_json
def reseal(*, dry_run: bool, json_wanted: bool) -> None:
    """Seal homeservers' secrets to the key of the worker: the last step of an upgrade, or of a new pair.

    What storage keys seal can be sealed anew everywhere; what an older pair seals only where the private
    halves are given (GUICHET_HOMESERVER_KEYS). The scheduler has the worker do the same every night.

    JSON: {"resealed": number, "left": number, "dry_run": boolean}
    """
    with (
        opened(build=build_services_with_secrets) as services,
        services.database.transaction() as session,
    ):
        public = services.public_half
        count = homeserver_secrets.reseal(session, services.vault, public, _halves(services))
        sealed = homeserver_secrets.by_key(session)
        if dry_run:
            session.rollback()
    left = sum(sealed.values()) - sealed.get(public.key_id, 0)
    if json_wanted:
        print_json({"resealed": count, "left": left, "dry_run": dry_run})
    talk(
        f"{count} secrets {'would be' if dry_run else 'were'} sealed anew: {_told(sealed, public)}."
    )
    if left:
        talk("The others were sealed to an older pair: run this with GUICHET_HOMESERVER_KEYS.")


def _told(sealed: dict[str, int], public: PublicHalf) -> str:
    return f"{sealed.get(public.key_id, 0)} of {sum(sealed.values())}"


def _halves(services: Services) -> PrivateHalves | None:
    return services.private_halves if isinstance(services, WorkerServices) else None


def _tell(key: SigningKey, *, json_wanted: bool, dry_run: bool) -> None:
    if json_wanted:
        print_json({"key_id": key.key_id, "public_key": key.public, "dry_run": dry_run})
    else:
        click.echo(f"{key.key_id}\t{key.public}")
