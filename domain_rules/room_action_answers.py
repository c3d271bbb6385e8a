"""Seals the answers of Guichet's module in Synapse to room actions, so that Guichet can trust them.

The seal proves that the module of the homeserver that was asked gave this answer to this request.
The key is the hash of the homeserver's credential: the module hashes what it is configured with,
Guichet stores only the hash. Nothing here depends on Synapse.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

SEAL_FIELD = "org.guichet.answer"
OK = 200


def credential_hash(credential: str) -> str:
    """As Guichet stores it: SHA-256 in hexadecimal digits."""
    return hashlib.sha256(credential.encode()).hexdigest()


def seal_answer(
    facts: Mapping[str, Any],
    *,
    known_by: str,
    homeserver: str,
    action: str,
    nonce: str,
    status: int = OK,
) -> dict[str, Any]:
    """The answer with a seal in the field `org.guichet.answer`.

    `known_by`: hash of the credential. `nonce`: the request's one-time id. `status`: that of the
    HTTP answer. The seal covers the status, so a refusal cannot be turned into a success on the
    way, nor the reverse.
    """
    about = {"by": homeserver, "to": nonce, "action": action}
    return {**facts, SEAL_FIELD: {**about, "seal": _seal(facts, known_by, about, status)}}


def is_sealed_by_module(
    answer: Mapping[str, Any],
    *,
    known_by: str,
    homeserver: str,
    action: str,
    nonce: str,
    status: int = OK,
) -> bool:
    """Whether that module gave exactly this answer to exactly this request."""
    mark = answer.get(SEAL_FIELD)
    given = mark.get("seal") if isinstance(mark, Mapping) else None
    if not isinstance(given, str) or not given.isascii():
        return False
    facts = {name: value for name, value in answer.items() if name != SEAL_FIELD}
    about = {"by": homeserver, "to": nonce, "action": action}
    return hmac.compare_digest(given, _seal(facts, known_by, about, status))


def _seal(facts: Mapping[str, Any], known_by: str, about: Mapping[str, str], status: int) -> str:
    kind = "guichet desk answer" if status == OK else f"guichet desk refusal {status}"
    text = json.dumps({"about": kind, "facts": facts, **about}, sort_keys=True)
    return hmac.digest(known_by.encode(), text.encode(), "sha256").hex()
