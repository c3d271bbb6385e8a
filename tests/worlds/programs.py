"""Programs that call v2: by whom they are signed in, and what they send."""

from dataclasses import dataclass, replace
from uuid import UUID

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from identity.core.one_time_codes.models import Purpose
from identity.core.outbox import Lane
from identity.services import Services
from identity.threepids import (
    account_models as identity_accounts,
    associations,
    validation_sessions,
)
from identity.threepids.validation_sessions import ValidationSession
from workers import tasks

from . import codes
from .services import Postbox

V2 = "/_matrix/identity/v2"
CAMILLE, ZOE = "@camille:education.example", "@zoe:education.example"
ADDRESS = "camille.durand@ac-rouen.example"
SECRET = "monkeys_are_GREAT"


@dataclass
class Program:
    """A client or a homeserver with the token of one user; without one it is a stranger."""

    client: FlaskClient
    services: Services
    user_id: str | None = CAMILLE
    token: str | None = None

    def __post_init__(self):
        if self.user_id and not self.token:
            with self.services.database.transaction() as session:
                self.token = identity_accounts.issue(
                    session, self.services.now(), user_id=self.user_id
                )

    def post(self, path: str, *, headers=(), **body) -> TestResponse:
        return self.client.post(V2 + path, json=body, headers={**self.headers, **dict(headers)})

    def get(self, path: str, **query) -> TestResponse:
        return self.client.get(V2 + path, query_string=query, headers=self.headers)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def ask(self, **facts) -> TestResponse:
        """requestToken."""
        wanted = {"client_secret": SECRET, "email": ADDRESS, "send_attempt": 1} | facts
        return self.post("/validate/email/requestToken", **wanted)

    def hand_in(self, sid: str, code: str, **facts) -> TestResponse:
        """submitToken."""
        given = {"sid": sid, "client_secret": SECRET, "token": code} | facts
        return self.post("/validate/email/submitToken", **given)

    def prove(self, **facts) -> str:
        """The sid of a session whose address is proved."""
        sid = self.ask(**facts).json["sid"]
        secret = facts.get("client_secret", SECRET)
        assert self.hand_in(sid, self.code(sid), client_secret=secret).status_code == 200
        return sid

    def bind(self, sid: str, **facts) -> TestResponse:
        given = {"sid": sid, "client_secret": SECRET, "mxid": self.user_id} | facts
        return self.post("/3pid/bind", **given)

    def code(self, sid: str) -> str:
        """What the mail says, once it has left."""
        tasks.run_lane(replace(self.services, mailer=Postbox()), Lane.URGENT)
        with self.services.database.reading() as session:
            return codes.mailed(session, self.services.tokens, Purpose.CLIENT, sid)

    def wrong_code(self, sid: str) -> str:
        return codes.wrong(self.code(sid))

    def session(self, sid: str) -> ValidationSession:
        with self.services.database.reading() as session:
            return validation_sessions.find(session, UUID(sid))

    def owner(self, address: str = ADDRESS) -> str | None:
        with self.services.database.reading() as session:
            found = associations.find_by_address(session, address)
            return found and found.user_id


def refused(answer: TestResponse) -> tuple[int, str]:
    assert set(answer.json) >= {"errcode", "error"}
    return answer.status_code, answer.json["errcode"]
