"""What of an erased person lies outside the database: mails in the folder, counters by their name."""

from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from identity.core.database import Database
from identity.core.personal_data import is_mentioned
from identity.mail import folder

from .erasure import ErasedPerson


class Counters(Protocol):
    """The limits, which may lie in Redis."""

    def forget_person(self, mailbox: str, user_ids: Collection[str]) -> bool:
        """Delete the counters of a person. False if they cannot be reached."""


def erase_outside(
    database: Database, mail_dir: Path, counters: Counters, done: ErasedPerson
) -> bool:
    """Erase it, once the database has forgotten the person; it may be repeated.

    False: the counters cannot be reached now, and end by themselves within two days.
    """
    database.overwrite_deleted()
    person = done.person
    folder.forget_mails(mail_dir, lambda text: is_mentioned(text, person))
    return counters.forget_person(person.mailbox, person.user_ids)
