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
OK = 200


def credential_hash(credential: str) -> str:
    """As Guichet keeps it: SHA-256 in hexadecimal digits."""
    return hashlib.sha256(credential.encode()).hexdigest()


def marked(
    facts: Mapping[str, Any],
    *,
    known_by: str,
    homeserver: str,
    action: str,
    letter: str,
    status: int = OK,
) -> dict[str, Any]:
    """The answer with the mark beside it. `known_by`: the hash; `letter`: the one-time id of what was asked.

    `status`: that of the HTTP answer. A refusal is sealed as such: a yes is not turned into a no on the way,
    nor a no into a yes.
    """
    about = {"by": homeserver, "to": letter, "action": action}
    return {**facts, MARK: {**about, "seal": _seal(facts, known_by, about, status)}}


def is_marked(
    answer: Mapping[str, Any],
    *,
    known_by: str,
    homeserver: str,
    action: str,
    letter: str,
    status: int = OK,
) -> bool:
    """Whether that module gave just this answer to just this letter."""
    mark = answer.get(MARK)
    given = mark.get("seal") if isinstance(mark, Mapping) else None
    if not isinstance(given, str) or not given.isascii():
        return False
    facts = {name: value for name, value in answer.items() if name != MARK}
    about = {"by": homeserver, "to": letter, "action": action}
    return hmac.compare_digest(given, _seal(facts, known_by, about, status))


def _seal(facts: Mapping[str, Any], known_by: str, about: Mapping[str, str], status: int) -> str:
    kind = "guichet desk answer" if status == OK else f"guichet desk refusal {status}"
    text = json.dumps({"about": kind, "facts": facts, **about}, sort_keys=True)
    return hmac.digest(known_by.encode(), text.encode(), "sha256").hex()
