"""Verifies that a request for a room action comes from Guichet.

A request names action, signer, homeserver and expiry, is signed, and is accepted once.
"""

from collections.abc import Mapping
from typing import Any

from domain_rules import room_action_answers

from . import store
from .part import Context, Part

LEEWAY_MS = 60_000  # by which the clocks of Guichet and of this homeserver may differ
MAX_LIFETIME_MS = 120_000
REFRESH_KEYS_MS = 10_000  # between two requests for Guichet's keys
MAX_ID = 100  # characters
UNSIGNED, FORBIDDEN = 401, 403


class NotFromGuichet(Exception):
    """The request is not one that Guichet makes, or not any more."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class SignedRequests(Part):
    """Accepted ids are stored in Synapse's database: other processes refuse a replay too."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._known_by = room_action_answers.credential_hash(self.config.credential)
        self._asked_ms = 0

    async def verify(self, action: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The request, if it is valid on the path of this action. Raises NotFromGuichet."""
        await self.cache.ready()
        if not self._is_signed(body):
            await self._learn_keys()
            if not self._is_signed(body):
                raise NotFromGuichet(UNSIGNED, "This is not signed by Guichet.")
        if body.get("destination") != self.cache.own_name:
            raise NotFromGuichet(FORBIDDEN, "This is for another homeserver.")
        if body.get("action") != action:
            raise NotFromGuichet(FORBIDDEN, "This asks for something else.")
        await self._spend(body.get("nonce"), body.get("expires_ts"))
        return body

    def seal(
        self, action: str, body: Mapping[str, Any], facts: Mapping[str, Any], *, status: int = 200
    ) -> dict[str, Any]:
        """The sealed answer to a verified request, also for a refusal.

        An answer to a request that was not verified has no seal: anybody on the way could have
        changed that request.
        """
        return room_action_answers.seal_answer(
            facts,
            known_by=self._known_by,
            homeserver=self.cache.own_name,
            action=action,
            nonce=str(body["nonce"]),
            status=status,
        )

    async def _spend(self, nonce: object, expires_ts: object) -> None:
        now = self._now_ms()
        latest = now + MAX_LIFETIME_MS + LEEWAY_MS
        if type(expires_ts) is not int or not now - LEEWAY_MS < expires_ts <= latest:
            raise NotFromGuichet(UNSIGNED, "This request has expired; are both clocks right?")
        if not isinstance(nonce, str) or not 0 < len(nonce) <= MAX_ID:
            raise NotFromGuichet(FORBIDDEN, "This request has no id of its own.")
        is_first = await self._query(
            "guichet_letter", store.spend_request_id, nonce, expires_ts + LEEWAY_MS, now
        )
        if not is_first:
            raise NotFromGuichet(FORBIDDEN, "This request was made before.")

    def _is_signed(self, body: Mapping[str, Any]) -> bool:
        """Whether the signer it names is Guichet, and signed with a key of Guichet's."""
        signer, signatures = body.get("signer"), body.get("signatures")
        if not isinstance(signer, str) or signer not in self.cache.guichet_names:
            return False
        if not isinstance(signatures, Mapping):
            return False
        made = signatures.get(signer)
        return isinstance(made, Mapping) and any(
            _is_good(body, signer, key_id, known)
            for key_id, known in self.cache.guichet_keys.items()
            if key_id in made
        )

    async def _learn_keys(self) -> None:
        """Ask Guichet for newer keys, not too often: anybody can send a wrong signature."""
        now = self._now_ms()
        if now - self._asked_ms >= REFRESH_KEYS_MS:
            self._asked_ms = now
            await self.cache.refresh()


def _is_good(body: Mapping[str, Any], signer: str, key_id: str, public_key: str) -> bool:
    from signedjson import key, sign  # noqa: PLC0415  # Synapse brings it
    from unpaddedbase64 import decode_base64  # noqa: PLC0415  # Synapse brings it

    try:
        known = key.decode_verify_key_bytes(key_id, decode_base64(public_key))
        sign.verify_signed_json(dict(body), signer, known)
    except Exception:  # noqa: BLE001  # anybody may send anything, and libraries raise many errors
        return False
    return True
