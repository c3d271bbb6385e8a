"""The two lists of keys in the settings that are renewed step by step: link keys and storage keys.

The last key of a list is in use: it signs or seals. All are known: they verify or open. A key is
renewed by its place alone, so that every version reads a list alike:

- staged: a new key stands before the last one, until every process knows it;
- activated: it is moved to the end;
- retired: the old key is taken out, once nothing needs it any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import SecretStr

from identity.problems import Problem

from .fingerprints import fingerprint


class KeySet(StrEnum):
    """A list of keys."""

    LINK = "link"
    STORAGE = "storage"

    @property
    def setting(self) -> str:
        """The name of its field in the settings."""
        return "secret_keys" if self is KeySet.LINK else "storage_keys"

    @property
    def variable(self) -> str:
        return f"GUICHET_{self.setting}".upper()


class UnknownFingerprint(Problem):
    """No key of this list has this fingerprint."""


class AlreadyInUse(Problem):
    """This key is in use already. Nothing was changed."""


class KeyInUse(Problem):
    """This key is in use: it cannot be taken out. Activate another one first."""


class AmbiguousKey(Problem):
    """Several keys are meant, or none: name one by its fingerprint."""


@dataclass(frozen=True)
class Keys:
    """A list of keys, oldest first, the one in use last. Never empty."""

    key_set: KeySet
    texts: tuple[str, ...]

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Which keys these are, without the keys themselves; in their order."""
        return tuple(fingerprint(SecretStr(text)) for text in self.texts)

    @property
    def active(self) -> str:
        """The fingerprint of the key in use."""
        return self.fingerprints[-1]

    def staged(self, key: str) -> "Keys":
        """With a new key, known but not in use: before the last one. The same if it is there."""
        if key in self.texts:
            return self
        return self._with((*self.texts[:-1], key, self.texts[-1]))

    def activated(self, which: str) -> "Keys":
        """With this key in use, by its fingerprint. Raises UnknownFingerprint."""
        key = self._find(which)
        return self._with((*(text for text in self.texts if text != key), key))

    def retired(self, which: str) -> "Keys":
        """Without this key. Raises UnknownFingerprint and KeyInUse."""
        key = self._find(which)
        if key == self.texts[-1]:
            raise KeyInUse
        return self._with(tuple(text for text in self.texts if text != key))

    def _with(self, texts: tuple[str, ...]) -> "Keys":
        return Keys(self.key_set, texts)

    def _find(self, which: str) -> str:
        for text, known in zip(self.texts, self.fingerprints, strict=True):
            if known == which:
                return text
        raise UnknownFingerprint(
            f"No key has the fingerprint {which}. There are {', '.join(self.fingerprints)}."
        )


def keys_of(key_set: KeySet, given: Sequence[SecretStr]) -> Keys:
    """The list as a setting gives it."""
    return Keys(key_set, tuple(key.get_secret_value() for key in given))
