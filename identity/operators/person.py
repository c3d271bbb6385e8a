"""What is stored of a person who is, or was, an operator; their name in the journal stays."""

from collections.abc import Iterator, Sequence

from sqlalchemy import select

from identity.core.personal_data import Erasure, Record, View, happened
from identity.core.story import Events
from identity.problems import OperatorEnabled

from .kept_forms import KeptForm
from .models import Operator, OperatorFactor, OperatorLink, OperatorSession, RecoveryCode
from .notices import OperatorNotice
from .passkeys import models as passkeys
from .passkeys.models import OperatorPasskey
from .sign_in_models import OperatorSignIn


def records_of(view: View) -> Iterator[Record]:
    """The operator, their passkeys and sessions, and requests to sign in with their address."""
    for operator in _operators(view):
        yield Record(
            "operators",
            {
                "address": operator.mail,
                "name": operator.name,
                "roles": list(operator.roles),
                "organisations": list(operator.organisations),
                "homeservers": list(operator.homeservers),
                "made_at": operator.created_at,
                "disabled_at": operator.disabled_at,
            },
            happened(
                (operator.created_at, f"made an operator: {', '.join(operator.roles)}"),
                (operator.disabled_at, "disabled as an operator"),
            ),
        )
        for passkey in passkeys.find_of(view.session, operator.id):
            yield Record(
                "operator_passkeys",
                {"name": passkey.name, "made_at": passkey.made_at, "used_at": passkey.used_at},
                happened((passkey.made_at, "passkey added")),
            )
        own = select(OperatorSession).where(OperatorSession.operator_id == operator.id)
        for each in view.session.scalars(own.order_by(OperatorSession.created_at)):
            yield Record(
                "operator_sessions",
                {
                    "browser": each.device,
                    "network": each.network,
                    "opened_at": each.created_at,
                    "ended_at": each.ended_at,
                },
                happened((each.created_at, "signed in to the console")),
            )
    asked = select(OperatorSignIn).where(OperatorSignIn.mail.in_(view.person.addresses))
    for request in view.session.scalars(asked.order_by(OperatorSignIn.created_at)):
        yield Record(
            "operator_sign_ins",
            {
                "address": request.mail,
                "browser": request.device,
                "asked_at": request.created_at,
                "used_at": request.used_at,
            },
            happened((request.created_at, "address typed on the console's first screen")),
        )


def events_of(_view: View) -> Iterator[Events]:
    """None: what somebody does as an operator stands in the journal, and in no person file."""
    yield from ()


def erase(erasure: Erasure) -> None:
    """Forget the address of who was an operator. Raises OperatorEnabled while they may come in."""
    session = erasure.session
    erasure.delete(
        "operator_sign_ins", OperatorSignIn, OperatorSignIn.mail.in_(erasure.person.addresses)
    )
    for operator in _operators(erasure):
        if operator.may_come_in:
            raise OperatorEnabled
        for what, table in (
            ("operator_factors", OperatorFactor),
            ("recovery_codes", RecoveryCode),
            ("operator_passkeys", OperatorPasskey),
            ("operator_sessions", OperatorSession),
            ("operator_links", OperatorLink),
            ("operator_notices", OperatorNotice),
            ("kept_forms", KeptForm),
        ):
            erasure.delete(what, table, table.operator_id == operator.id)
        operator.mail = operator.issuer = operator.subject = None
        operator.disabled_at = operator.disabled_at or erasure.now
        erasure.done.count("operators", 1)
    session.flush()


def _operators(view: View) -> Sequence[Operator]:
    own = select(Operator).where(Operator.mail.in_(view.person.addresses))
    return view.session.scalars(own.order_by(Operator.name)).all()
