"""How the desk knows Guichet: signed with its long-term key, for this homeserver, for two minutes, once."""

from collections.abc import Callable, Mapping
from typing import Any

from .knowledge import Knowledge

LONGEST_MS = 150_000  # two minutes, and clocks that differ
ASK_AGAIN_MS = 10_000  # before Guichet's keys are asked for anew
MOST_NONCES = 20_000
UNSIGNED, FORBIDDEN, BUSY = 401, 403, 429


class NotGuichets(Exception):
    """This request is not, or not any more, one that Guichet makes."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Letters:
    """One in each process: a request played back to another one within its two minutes changes nothing anew."""

    def __init__(self, knowledge: Knowledge, now_ms: Callable[[], int]) -> None:
        self._knowledge, self._now_ms = knowledge, now_ms
        self._nonces: dict[str, int] = {}
        self._asked_ms = 0

    async def open(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """What was asked. Raises NotGuichets."""
        await self._knowledge.ready()
        if not self._is_signed(body):
            await self._learn_keys()
            if not self._is_signed(body):
                raise NotGuichets(UNSIGNED, "This is not signed by Guichet.")
        if body.get("destination") != self._knowledge.own_name:
            raise NotGuichets(FORBIDDEN, "This is for another homeserver.")
        self._use(body.get("nonce"), body.get("expires_ts"))
        return body

    def _use(self, nonce: object, expires_ts: object) -> None:
        now = self._now_ms()
        if type(expires_ts) is not int or not now < expires_ts <= now + LONGEST_MS:
            raise NotGuichets(UNSIGNED, "This request has expired; are both clocks right?")
        if not isinstance(nonce, str) or not nonce or nonce in self._nonces:
            raise NotGuichets(FORBIDDEN, "This request was made before.")
        self._nonces = {each: until for each, until in self._nonces.items() if until > now}
        if len(self._nonces) >= MOST_NONCES:
            raise NotGuichets(BUSY, "Too many requests.")
        self._nonces[nonce] = expires_ts

    def _is_signed(self, body: Mapping[str, Any]) -> bool:
        signatures = body.get("signatures")
        if not isinstance(signatures, Mapping):
            return False
        return any(
            _is_good(body, signer, key_id, known)
            for signer, made in signatures.items()
            if isinstance(made, Mapping)
            for key_id, known in self._knowledge.guichet_keys.items()
            if key_id in made
        )

    async def _learn_keys(self) -> None:
        """A key may be newer than what was last heard; strangers must not make us ask all the time."""
        now = self._now_ms()
        if now - self._asked_ms >= ASK_AGAIN_MS:
            self._asked_ms = now
            await self._knowledge.refresh()


def _is_good(body: Mapping[str, Any], signer: str, key_id: str, public_key: str) -> bool:
    from signedjson import key, sign  # noqa: PLC0415  # Synapse brings it
    from unpaddedbase64 import decode_base64  # noqa: PLC0415  # Synapse brings it

    try:
        known = key.decode_verify_key_bytes(key_id, decode_base64(public_key))
        sign.verify_signed_json(dict(body), signer, known)
    except Exception:  # noqa: BLE001  # strangers choose the shape of it, and libraries expect another
        return False
    return True
