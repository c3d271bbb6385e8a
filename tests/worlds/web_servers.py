"""What stands behind the pages: a homeserver by value, and the worker that asks it."""

from dataclasses import dataclass, field, fields, replace

from identity.core.http_client import Away
from identity.core.outbox import Lane
from identity.homeservers.admin_client import Found
from identity.mail.folder import FolderMailer
from identity.services import Services, WorkerServices
from workers import tasks


@dataclass
class FakeServer:
    """Makes every account that is asked for, unless it is away or knows address or name already."""

    away: bool = False
    holds_address: bool = False
    name_taken: bool = False
    made: list[tuple[str, str]] = field(default_factory=list)

    def look(self, account) -> Found:
        if self.away:
            raise Away("no answer")
        if self.name_taken:
            return Found.NAME_TAKEN
        return Found.ADDRESS_HELD if self.holds_address else Found.NOTHING

    def create(self, account, registered) -> None:
        registered()
        self.made.append((account.user_id, account.display_name))

    def finish(self, account) -> None:
        raise AssertionError("nothing was begun")

    def membership(self, _user_id, _room_id) -> None:
        """Nobody was ever in any room."""

    def holds_invitation(self, _room_id, _token) -> bool:
        return True

    def probe(self) -> None:
        raise AssertionError("nobody waits")


def web(services: WorkerServices) -> Services:
    """As much of it as the web has."""
    return Services(**{each.name: getattr(services, each.name) for each in fields(Services)})


def carry_out(services: WorkerServices, lane: Lane) -> None:
    """What the worker does of a lane, once."""
    tasks.run_lane(replace(services, mailer=FolderMailer(services.settings.mail_dir)), lane)
