"""How Guichet knows that it is our module that answers, in the homeserver that was asked, and to this very letter.

Both ends know the hash of the homeserver's credential: the module hashes what it is configured with,
Guichet keeps nothing else. Nothing here is about Synapse.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

MARK = "org.guichet.answer"


def credential_hash(credential: str) -> str:
    """As Guichet keeps it: SHA-256 in hexadecimal digits."""
    return hashlib.sha256(credential.encode()).hexdigest()


def marked(
    facts: Mapping[str, Any], *, known_by: str, homeserver: str, action: str, letter: str
) -> dict[str, Any]:
    """The answer with the mark beside it. `known_by`: the hash; `letter`: the one-time id of what was asked."""
    seal = _seal(facts, known_by=known_by, homeserver=homeserver, action=action, letter=letter)
    return {**facts, MARK: {"by": homeserver, "to": letter, "action": action, "seal": seal}}


def is_marked(
    answer: Mapping[str, Any], *, known_by: str, homeserver: str, action: str, letter: str
) -> bool:
    """Whether that module gave just this answer to just this letter."""
    mark = answer.get(MARK)
    given = mark.get("seal") if isinstance(mark, Mapping) else None
    if not isinstance(given, str) or not given.isascii():
        return False
    facts = {name: value for name, value in answer.items() if name != MARK}
    return hmac.compare_digest(
        given,
        _seal(facts, known_by=known_by, homeserver=homeserver, action=action, letter=letter),
    )


def _seal(
    facts: Mapping[str, Any], *, known_by: str, homeserver: str, action: str, letter: str
) -> str:
    whole = {"about": "guichet desk answer", "facts": facts, "by": homeserver}
    text = json.dumps({**whole, "action": action, "to": letter}, sort_keys=True)
    return hmac.digest(known_by.encode(), text.encode(), "sha256").hex()
