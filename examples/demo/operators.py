"""Makes an operator of the console for each role, and keeps a fresh link for each of them."""

import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import pyotp
from sqlalchemy.orm import Session

from identity.core.journal import Actor
from identity.operators import entering, factors, links, models, service
from identity.operators.models import LinkKind
from identity.operators.roles import Role
from identity.operators.service import Standing
from identity.services import WorkerServices, build_worker_services
from identity.settings import read_settings

BY: Final = Actor("demo", "make demo", "the people of the demo")
NAMES: Final = {
    Role.VIEWER: "Vera",
    Role.SUPPORT: "Sami",
    Role.EDITOR: "Emil",
    Role.APPROVER: "Ines",
    Role.AUDITOR: "Aude",
    Role.ADMIN: "Ada",
}
EVERY: Final = 2.0  # seconds between two looks at the links
LEFT: Final = timedelta(minutes=7)  # that whoever reads demo.json has at least
STEP: Final = timedelta(seconds=30)  # of a code of the app


@dataclass
class DemoOperator:
    """One of them, and how they come in."""

    role: Role
    operator: models.Operator
    secret: str
    token: str


class Operators:
    """All of them; each has an authenticator app, of which demo.json tells the secret."""

    def __init__(self, folder: Path, *, url: str) -> None:
        """Make them. `folder`: the data folder of a Guichet that has run; `url`: its public URL."""
        settings = read_settings(data_dir=folder, public_url=url)
        self._services: WorkerServices = build_worker_services(settings)
        self._url, self._looked_at = url, 0.0
        self._all = [self._make(role, name) for role, name in NAMES.items()]

    def renew(self) -> bool:
        """Replace links that were used or end soon. Returns whether there were any."""
        if time.monotonic() - self._looked_at < EVERY:
            return False
        self._looked_at = time.monotonic()
        with self._services.database.reading() as session:
            old = [each for each in self._all if self._is_old(session, each)]
        for each in old:
            each.token = self._link(each.operator)
        return bool(old)

    def close(self) -> None:
        """Close the connections to the database."""
        self._services.database.engine.dispose()

    def facts(self) -> dict[str, dict[str, str]]:
        """The facts for demo.json, by role."""
        return {
            each.role.value: {
                "name": each.operator.name,
                "mail": each.operator.mail or "",
                "sign_in_link": f"{self._url}{entering.PATH}{each.token}",
                "totp_secret": each.secret,
            }
            for each in self._all
        }

    def _make(self, role: Role, name: str) -> DemoOperator:
        services, now = self._services, self._services.now()
        with services.database.transaction() as session:
            operator = service.add(
                session,
                now,
                BY,
                mail=f"{name.lower()}@operators.example",
                name=name,
                language="fr",
                standing=Standing(frozenset({role})),
            )
            secret = factors.begin_enrolment(session, services.vault, now, operator.id)
            if secret is None:
                raise RuntimeError(f"{name} has an app already")
            # The code before the one of now, as each is taken once: whoever comes now types theirs.
            code = pyotp.TOTP(secret).at(now - STEP)
            factors.confirm_enrolment(session, services.vault, now, operator, code)
        return DemoOperator(role, operator, secret, self._link(operator))

    def _link(self, operator: models.Operator) -> str:
        """As `guichet ops link`, but nobody is mailed: the mailbox of the demo is for its people."""
        with self._services.database.transaction() as session:
            return links.issue(session, self._services.now(), operator.id, LinkKind.SIGN_IN)

    def _is_old(self, session: Session, each: DemoOperator) -> bool:
        now = self._services.now()
        link = links.find(session, now, each.token, LinkKind.SIGN_IN)
        return link is None or link.ends_at - now < LEFT
