"""Reads a file of rules for a command, with the homeservers that it describes."""

import re
from pathlib import Path
from typing import Final

from domain_rules.federation import HomeserverEntry
from identity.command.files import read_certificate, read_secret, read_text
from identity.command.outcomes import Exit
from identity.command.progress import track_progress
from identity.homeservers.service import NewHomeserver
from identity.rule_changes.files import Content, Existing, OfLists, is_policy, read, read_yaml

ITEM: Final = re.compile(r"^\s*- ", re.MULTILINE)


def read_file(path: Path, text: str, here: Existing, of_lists: OfLists) -> Content:
    """The content of a file, while showing how far it is read. Raises UnreadableFile."""
    return read(
        path.name,
        text,
        here,
        of_lists,
        follow=lambda entries: track_progress("Reading", entries, _count_entries(text)),
    )


def _count_entries(text: str) -> int:
    """How many there are, about: items of YAML, else lines."""
    return len(ITEM.findall(text)) or text.count("\n") + 1


def read_sample(path: Path) -> Content:
    """Read our own YAML format for an empty installation. Raises Failure, UnreadableFile."""
    return read_yaml(path.name, read_text(path), Existing())


def ending_of(content: Content) -> Exit:
    """The exit code of the import, if nothing else stops it."""
    if not content.faults:
        return Exit.OK
    if all(is_policy(fault) for fault in content.faults):
        return Exit.REFUSED
    return Exit.PARTLY if content.rules else Exit.FAILED


def homeservers_of(content: Content, folder: Path) -> list[NewHomeserver]:
    """The homeservers of a file, with the contents of the files they name, relative to `folder`."""
    return [_new_homeserver(entry, folder) for entry in content.homeservers]


def _new_homeserver(entry: HomeserverEntry, folder: Path) -> NewHomeserver:
    """The homeserver with the contents of the files it names, relative to `folder`."""
    files = (entry.ca_file, entry.registration_secret_file, entry.admin_token_file)
    ca, secret, token = (folder / name if name else None for name in files)
    return NewHomeserver(
        name=entry.name,
        url=entry.url,
        label=entry.label,
        guests=entry.guests,
        connector=entry.connector,
        registration_secret=read_secret(secret),
        admin_token=read_secret(token),
        federation_url=entry.federation_url,
        base_url=entry.base_url,
        client_url=entry.client_url,
        phone_url=entry.phone_url,
        ca_pem=read_certificate(ca),
        user_id_scheme=str(entry.user_id_scheme) if entry.user_id_scheme else None,
        class_source=entry.class_source,
    )
