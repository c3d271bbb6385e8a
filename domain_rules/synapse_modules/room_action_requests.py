"""How the desk knows Guichet: a letter names action, signer, homeserver and time, is signed, and counts once."""

from collections.abc import Callable, Mapping
from typing import Any

from domain_rules import room_action_answers

from . import store
from .cache import Cache

MAX_MS = 150_000  # two minutes, and clocks that differ
ASK_AGAIN_MS = 10_000  # before Guichet's keys are asked for anew
MAX_ID = 100  # characters
UNSIGNED, FORBIDDEN = 401, 403


class NotGuichets(Exception):
    """This request is not, or not any more, one that Guichet makes."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Letters:
    """Which letters were opened stands in Synapse's database: one played back to another process is refused too."""

    def __init__(self, api: Any, cache: Cache, *, credential: str) -> None:
        self._api, self._cache = api, cache
        self._now_ms: Callable[[], int] = api.get_current_time_msec
        self._known_by = room_action_answers.credential_hash(credential)
        self._asked_ms = 0

    async def open(self, action: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """What was asked, on the path of this action. Raises NotGuichets."""
        await self._cache.ready()
        if not self._is_signed(body):
            await self._learn_keys()
            if not self._is_signed(body):
                raise NotGuichets(UNSIGNED, "This is not signed by Guichet.")
        if body.get("destination") != self._cache.own_name:
            raise NotGuichets(FORBIDDEN, "This is for another homeserver.")
        if body.get("action") != action:
            raise NotGuichets(FORBIDDEN, "This asks for something else.")
        await self._spend(body.get("nonce"), body.get("expires_ts"))
        return body

    def answered(
        self, action: str, body: Mapping[str, Any], facts: Mapping[str, Any], *, status: int = 200
    ) -> dict[str, Any]:
        """The answer to an opened letter, also if it is a refusal, so that Guichet knows whose it is.

        What was not opened is answered without a seal: whoever is on the way could have changed it.
        """
        return room_action_answers.marked(
            facts,
            known_by=self._known_by,
            homeserver=self._cache.own_name,
            action=action,
            letter=str(body["nonce"]),
            status=status,
        )

    async def _spend(self, nonce: object, expires_ts: object) -> None:
        now = self._now_ms()
        if type(expires_ts) is not int or not now < expires_ts <= now + MAX_MS:
            raise NotGuichets(UNSIGNED, "This request has expired; are both clocks right?")
        if not isinstance(nonce, str) or not 0 < len(nonce) <= MAX_ID:
            raise NotGuichets(FORBIDDEN, "This request has no id of its own.")
        is_first = await self._api.run_db_interaction(
            "guichet_letter", store.open_letter, nonce, expires_ts, now
        )
        if not is_first:
            raise NotGuichets(FORBIDDEN, "This request was made before.")

    def _is_signed(self, body: Mapping[str, Any]) -> bool:
        """By whom it says, who is Guichet, with a key that Guichet says is its own."""
        signer, signatures = body.get("signer"), body.get("signatures")
        if not isinstance(signer, str) or signer not in self._cache.guichet_names:
            return False
        if not isinstance(signatures, Mapping):
            return False
        made = signatures.get(signer)
        return isinstance(made, Mapping) and any(
            _is_good(body, signer, key_id, known)
            for key_id, known in self._cache.guichet_keys.items()
            if key_id in made
        )

    async def _learn_keys(self) -> None:
        """A key may be newer than what was last heard; strangers must not make us ask all the time."""
        now = self._now_ms()
        if now - self._asked_ms >= ASK_AGAIN_MS:
            self._asked_ms = now
            await self._cache.refresh()


def _is_good(body: Mapping[str, Any], signer: str, key_id: str, public_key: str) -> bool:
    from signedjson import key, sign  # noqa: PLC0415  # Synapse brings it
    from unpaddedbase64 import decode_base64  # noqa: PLC0415  # Synapse brings it

    try:
        known = key.decode_verify_key_bytes(key_id, decode_base64(public_key))
        sign.verify_signed_json(dict(body), signer, known)
    except Exception:  # noqa: BLE001  # strangers choose the shape of it, and libraries expect another
        return False
    return True
