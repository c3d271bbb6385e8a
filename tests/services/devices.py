"""Matrix clients with encryption, each with a store of its own, as people carry them about."""

import asyncio
import io
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import nio
import requests
from nio.crypto import decrypt_attachment

from .demo import CLIENT
from .waiting import NeverHappened

T = TypeVar("T")
LOOK_MS = 200  # how long one look waits for news
LOOKS = 400  # of all devices at once, until a fact is given up
# Left to itself, nio asks for ever a homeserver that is away.
CONFIG = nio.AsyncClientConfig(
    encryption_enabled=True, store_sync_tokens=True, max_timeouts=4, max_limit_exceeded=20
)


class Device:
    """One client of one person, which keeps what it hears by the ID of the room."""

    def __init__(self, client: nio.AsyncClient, runner: asyncio.Runner) -> None:
        self.client, self._runner = client, runner
        self.heard: dict[str, list[Any]] = defaultdict(list)
        self.push_rules = nio.PushRuleset()
        client.add_event_callback(
            lambda room, event: self.heard[room.room_id].append(event), nio.RoomMessage
        )
        client.add_global_account_data_callback(self._learn, nio.PushRulesEvent)

    @property
    def user_id(self) -> str:
        return str(self.client.user_id)

    def does(self, doing: Coroutine[Any, Any, T]) -> T:
        """What the homeserver answers, which is no refusal."""
        answer = self._runner.run(doing)
        assert not isinstance(answer, nio.ErrorResponse), f"{self.user_id}: {answer}"
        return answer

    def refused(self, doing: Coroutine[Any, Any, Any]) -> str:
        """Code and sentence of a refusal, as the person reads them."""
        answer = self._runner.run(doing)
        assert isinstance(answer, nio.ErrorResponse), f"{self.user_id}: {answer}"
        return f"{answer.status_code} {answer.message}"

    def put(self, path: str, **content: Any) -> requests.Response:
        """What nio has no word for. `path` begins after /_matrix/client/v3."""
        headers = {"Authorization": f"Bearer {self.client.access_token}"}
        url = f"{self.client.homeserver}{CLIENT}{path}"
        return requests.put(url, json=content, headers=headers, timeout=60)

    def put_state(self, room_id: str, kind: str, **content: Any) -> requests.Response:
        return self.put(f"/rooms/{quote(room_id)}/state/{kind}/", **content)

    def room(self, room_id: str) -> nio.MatrixRoom:
        return self.client.rooms[room_id]

    def is_with(self, room_id: str, *others: "Device") -> bool:
        """Whether it is in the room, and sees all these people there."""
        room = self.client.rooms.get(room_id)
        there = {each.user_id for each in room.users.values() if not each.invited} if room else {}
        return all(each.user_id in there for each in (self, *others))

    def say(self, room_id: str, text: str) -> str:
        """Say it, encrypted where the room is; return the ID of the event."""
        return self._send(room_id, {"msgtype": "m.text", "body": text})

    def share(self, room_id: str, name: str, content: bytes) -> str:
        """Encrypt and upload a file, and say where it is; return the ID of the event."""
        uploaded, keys = self._runner.run(
            self.client.upload(
                io.BytesIO(content),
                content_type="application/octet-stream",
                filename=name,
                encrypt=True,
                filesize=len(content),
            )
        )
        assert isinstance(uploaded, nio.UploadResponse), uploaded
        file = {**(keys or {}), "url": uploaded.content_uri}
        return self._send(room_id, {"msgtype": "m.file", "body": name, "file": file})

    def read(self, room_id: str, text: str) -> Any:
        """The event with this text, None if it was not heard or could not be decrypted."""
        return next((each for each in self.heard[room_id] if each.body == text), None)

    def download(self, file: nio.RoomEncryptedMedia) -> tuple[bytes, bytes]:
        """A file from its own homeserver: as it is stored, and decrypted."""
        stored = self.does(self.client.download(file.url)).body
        opened = decrypt_attachment(stored, file.key["k"], file.hashes["sha256"], file.iv)
        return stored, bytes(opened)

    def was_read_by(self, room_id: str, other: "Device") -> str | None:
        """The ID of the event that another person read last, as this device sees it."""
        room = self.room(room_id)
        receipts = [
            *room.threaded_read_receipts.get(other.user_id, {}).values(),
            *filter(None, [room.read_receipts.get(other.user_id)]),
        ]
        newest = max(receipts, key=lambda each: each.timestamp, default=None)
        return str(newest.event_id) if newest else None

    def history(self, room_id: str) -> list[Any]:
        """The newest events of a room, from the homeserver, decrypted where it has the keys."""
        return list(self.does(self.client.room_messages(room_id, limit=200)).chunk)

    def _send(self, room_id: str, content: Mapping[str, Any]) -> str:
        sending = self.client.room_send(
            room_id, "m.room.message", dict(content), ignore_unverified_devices=True
        )
        return str(self.does(sending).event_id)

    def _learn(self, rules: nio.PushRulesEvent) -> None:
        self.push_rules = rules.global_rules


class Devices:
    """All that are switched on; they look for news together."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._runner = folder, asyncio.Runner()
        self.all: list[Device] = []

    def sign_in(self, url: str, user_id: str, password: str) -> Device:
        """A new device, with an empty store."""
        store = self._folder / str(len(list(self._folder.iterdir())))
        store.mkdir()
        client = nio.AsyncClient(url, user_id, store_path=str(store), config=CONFIG)
        device = Device(client, self._runner)
        self.all.append(device)
        device.does(client.login(password, device_name=store.name))
        self._runner.run(_look(client, full_state=True))
        return device

    def until(self, fact: Callable[[], T], *, what: str) -> T:
        """The first true answer, while all devices look for news. Raises NeverHappened with `what`."""
        for _ in range(LOOKS):
            if answer := fact():
                return answer
            self._runner.run(self._look_all())
        raise NeverHappened(f"not within {LOOKS} looks: {what}")

    def bring_together(self, room_id: str, inviter: Device, *others: Device) -> None:
        """Invite them, and let them join; afterwards every device of theirs sees all of them."""
        for each in others:
            inviter.does(inviter.client.room_invite(room_id, each.user_id))
        for each in others:
            self.until(lambda each=each: room_id in each.client.invited_rooms, what="an invitation")
            each.does(each.client.join(room_id))
        people = {each.user_id for each in (inviter, *others)}
        theirs = [each for each in self.all if each.user_id in people]
        self.until(
            lambda: all(each.is_with(room_id, inviter, *others) for each in theirs),
            what="all see each other",
        )

    def switch_off(self, *these: Device) -> None:
        for device in these:
            self._runner.run(device.client.close())
            self.all.remove(device)

    def end(self) -> None:
        self.switch_off(*self.all)
        self._runner.close()

    async def _look_all(self) -> None:
        await asyncio.gather(*(_look(device.client) for device in self.all))


async def _look(client: nio.AsyncClient, *, full_state: bool = False) -> None:
    """Fetch news, and do what they ask for: keys to upload, to query, to claim, to pass on."""
    await client.sync(timeout=LOOK_MS, full_state=full_state)
    if client.should_upload_keys:
        await client.keys_upload()
    if client.should_query_keys:
        await client.keys_query()
    if client.should_claim_keys:
        await client.keys_claim(client.get_users_for_key_claiming())
    await client.send_to_device_messages()


@contextmanager
def switched_on(folder: Path) -> Iterator[Devices]:
    """Devices whose stores stand below the folder, until the block ends."""
    devices = Devices(folder)
    try:
        yield devices
    finally:
        devices.end()
