"""Synapses with our module loaded, configured as an operator would."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from requests import Response

from .certificates import Authority
from .children import MEASURED
from .synapse import FREELY, ROOT
from .trusting_synapse import TrustingHomeserver

CLIENT = "/_matrix/client/v3"
MODULE = "domain_rules.synapse_modules.Guichet"
# What has no hook for a module, closed on a homeserver of guests.
OF_GUESTS = {
    "enable_room_list_search": False,
    "allow_public_rooms_over_federation": False,
    "require_auth_for_profile_requests": True,  # Synapse insists, with the next
    "limit_profile_requests_to_users_who_share_rooms": True,
    "allow_profile_lookup_over_federation": False,
    "experimental_features": {"msc4263_limit_key_queries_to_users_who_share_rooms": True},
    "caches": {
        "per_cache_factors": {"does_pair_of_users_share_a_room_joined_or_invited": 0},
    },
}


class GuichetHomeserver(TrustingHomeserver):
    """`module` is laid over the block of our module; further settings over those of Synapse.

    The module is taken from this tree, not from the wheel: what is tested is what is written here. Set `tree` to a
    folder with another version of it, and it is that one's after the next start.
    """

    def __init__(
        self,
        folder: Path,
        authority: Authority,
        *,
        guichet_url: str,
        credential: str | None = None,
        module: dict[str, Any] | None = None,
        **further: Any,
    ) -> None:
        self._guichet_url, self._credential = guichet_url, credential
        self._module = module or {}
        self.tree = ROOT
        super().__init__(folder, authority, **further)

    @property
    def metrics(self) -> dict[str, float]:
        """By name and labels, as Synapse shows them to whoever watches it."""
        lines = self.call("GET", "/_synapse/metrics").text.splitlines()
        return {
            line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
            for line in lines
            if not line.startswith("#")
        }

    def configure(self, **module: Any) -> None:
        """Lay this over the block of our module, from the next start on."""
        settings = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        settings["modules"][0]["config"].update(module)
        self.config.write_text(yaml.safe_dump(settings), encoding="utf-8")

    def _settings(self) -> dict[str, Any]:
        settings = super()._settings()
        name = settings["server_name"]
        block = {
            "guichet_url": self._guichet_url,
            "poll_seconds": 1,
        }
        if "credential_file" not in self._module:
            block["credential"] = self._credential or name
        clients = settings["listeners"][0]["resources"][0]
        clients["names"] = [*clients["names"], "metrics"]
        return settings | {
            "rc_room_creation": FREELY,
            "room_list_publication_rules": [{"action": "allow"}],
            "enable_metrics": True,
            "modules": [{"module": MODULE, "config": block | self._module}],
        }

    def _environment(self) -> dict[str, str]:
        measured = MEASURED if self.tree == ROOT else {}
        return super()._environment() | measured | {"PYTHONPATH": str(self.tree)}


def start(*homeservers: GuichetHomeserver) -> None:
    """Side by side: one waits for its database while another reads its code."""
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda homeserver: homeserver.start(), homeservers))


@contextmanager
def started(*homeservers: GuichetHomeserver) -> Iterator[None]:
    """All of them, until the block ends."""
    try:
        start(*homeservers)
        yield
    finally:
        for homeserver in homeservers:
            homeserver.end()


class Person:
    """Somebody with an account; `ask` never fails by itself."""

    def __init__(self, homeserver: TrustingHomeserver, localpart: str) -> None:
        self.homeserver = homeserver
        made = homeserver.register(localpart, "correct horse battery staple")
        self.user_id, self._token = made["user_id"], made["access_token"]

    @property
    def authorization(self) -> dict[str, str]:
        """The header by which they are known."""
        return {"Authorization": f"Bearer {self._token}"}

    def ask(self, method: str, path: str, **body: Any) -> Response:
        """`path` begins after /_matrix/client/v3, unless it is a whole one."""
        whole = path if path.startswith("/_") else CLIENT + path
        how = {"params" if method == "GET" else "json": body}
        return self.homeserver.call(method, whole, token=self._token, **how)

    def do(self, method: str, path: str, **body: Any) -> Any:
        """A call that is expected to succeed."""
        answer = self.ask(method, path, **body)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def verifies(self, *addresses: str) -> None:
        """These are the account's addresses now, by the administration, which tells the module too."""
        path = f"/_synapse/admin/v2/users/{quote(self.user_id)}"
        emails = [{"medium": "email", "address": address} for address in addresses]
        answer = self.homeserver.call("PUT", path, json={"threepids": emails})
        assert answer.ok, answer.text

    def create(self, **asked: Any) -> str:
        return str(self.do("POST", "/createRoom", **asked)["room_id"])

    def join(self, room_id: str, *, by: TrustingHomeserver) -> Response:
        """By way of that homeserver, if this one is not in the room."""
        return self.ask("POST", f"/join/{quote(room_id)}?via={by.server_name}")

    def state(self, room_id: str, event_type: str) -> Any:
        return self.do("GET", f"/rooms/{quote(room_id)}/state/{event_type}/")

    def finds(self, term: str) -> set[str]:
        """Whom the user directory shows them. Synapse writes it behind the requests that fill it."""
        told = self.do("POST", "/user_directory/search", search_term=term, limit=50)
        return {row["user_id"] for row in told["results"]}
