"""Who brought whom is remembered, tokens announce their end once, and old rows go."""

from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from identity.core.journal import Actor
from identity.core.sealing import Vault
from identity.keys import service as signing_keys
from identity.maintenance import retention
from identity.operators import (
    helping,
    kept_forms,
    links,
    models as operators,
    notices,
    service as operating,
    sessions,
    sign_in,
    tokens as api_tokens,
)
from identity.operators.kept_forms import Form, KeptForm
from identity.operators.models import LinkKind, OperatorLink, OperatorSession
from identity.operators.notices import OperatorNotice
from identity.operators.roles import Scope
from identity.operators.sign_in_models import OperatorSignIn
from identity.problems import LastAdmin, WrongOperator
from tests.worlds.operators import *

ADA = Actor("Ada", "a test", "ticket 7")
BEA = Actor("Bea", "a test", "ticket 8")


@pytest.fixture
def are_close(services, clock):
    def are_close(one, other):
        with services.database.reading() as session:
            pair = [operators.find(session, each.id) for each in (one, other)]
            return [
                operating.are_close(session, *pair, clock()),
                operating.are_close(session, *reversed(pair), clock()),
            ]

    return are_close


def test_who_invited_raised_or_reset_somebody_is_close_for_thirty_days(
    services, clock, ada, ines, make_operator, are_close
):
    emil = make_operator("Emil", Role.EDITOR, by=ADA)
    assert are_close(ada, emil) == [True, True]
    assert are_close(ada, ines) == [False, False]
    clock.advance(days=30)
    assert are_close(ada, emil) == [False, False]
    with services.database.transaction() as session:
        standing = Standing(frozenset({Role.APPROVER}))
        operating.change(session, clock(), ADA, emil.id, standing)
        operating.change(session, clock(), BEA, emil.id, standing)
    assert are_close(ada, emil) == [True, True]  # although Bea changed them later
    clock.advance(days=30)
    with services.database.transaction() as session:
        helping.reset_factor(session, clock(), ADA, ines.id)
    assert are_close(ada, ines) == [True, True]


def test_two_spellings_of_one_mailbox_are_close(make_operator, services, clock, are_close):
    with services.database.transaction() as session:
        made = [
            operating.add(
                session,
                clock(),
                SHELL,
                mail=mail,
                name=name,
                language="en",
                standing=Standing(frozenset({Role.APPROVER})),
            )
            for name, mail in (("One", "ana@ops.example"), ("Two", "ana+console@ops.example"))
        ]
    assert are_close(*made) == [True, True]


def test_the_makers_of_tokens_that_end_soon_are_told_once(services, clock, ada, ines):
    with services.database.transaction() as session:
        for maker, name, days in ((ada, "soon", 20), (ines, "later", 100), (ada, "ended", 20)):
            api_tokens.issue(
                session,
                clock(),
                SHELL,
                operators.find(session, maker.id),
                name=name,
                standing=Standing(frozenset({Role.VIEWER})),
                lifetime=timedelta(days=days),
            )
        api_tokens.end(session, clock(), SHELL, "ended")
        assert notices.tell_of_ending_tokens(session, clock()) == 0
        clock.advance(days=6)
        assert notices.tell_of_ending_tokens(session, clock()) == 1
        assert notices.tell_of_ending_tokens(session, clock()) == 0
        [told] = session.scalars(select(OperatorNotice))
    assert (told.operator_id, told.detail) == (ada.id, "soon")


def test_what_is_kept_of_access_goes_after_its_time(services, clock, ada):
    with services.database.transaction() as session:
        found = operators.find(session, ada.id)
        token = sessions.open_session(session, clock(), found, proved=True)
        links.issue(session, clock(), ada.id, LinkKind.SIGN_IN)
        kept_forms.keep(session, services.vault, clock(), token, Form("/admin/me", ()))
        sign_in.request_code(session, clock(), mail=ada.mail, language="en")
        helping.reset_factor(session, clock(), SHELL, ada.id)

    def left():
        with services.database.reading() as session:
            return [
                session.scalar(select(func.count()).select_from(table))
                for table in (
                    KeptForm,
                    OperatorSignIn,
                    OperatorSession,
                    OperatorLink,
                    OperatorNotice,
                )
            ]

    assert left() == [1, 1, 1, 1, 1]
    clock.advance(hours=2)
    retention.clean_up(services.database, clock(), services.hashes)
    assert left() == [0, 1, 1, 1, 1]
    clock.advance(days=8)
    retention.clean_up(services.database, clock(), services.hashes)
    assert left() == [0, 0, 1, 1, 1]
    clock.advance(days=30)
    retention.clean_up(services.database, clock(), services.hashes)
    assert left() == [0, 0, 0, 0, 0]


def test_a_kept_form_is_sealed_anew_with_the_others(services, clock, ada):
    with services.database.transaction() as session:
        found = operators.find(session, ada.id)
        token = sessions.open_session(session, clock(), found, proved=True)
        kept_forms.keep(session, services.vault, clock(), token, Form("/admin/me", (("a", "b"),)))
    newer = Vault([SecretStr("a storage key for the tests"), SecretStr("a newer storage key")])
    signing_keys.reseal(services.database, newer)
    with services.database.reading() as session:
        [kept] = session.scalars(select(KeptForm))
        assert newer.is_newest(kept.sealed)
        form = kept_forms.read(session, newer, clock(), kept.id, ada.id)
    assert form.fields == (("a", "b"),)


def test_the_last_admin_stays_by_every_door(services, clock, ada, acts):
    with services.database.transaction() as session, pytest.raises(LastAdmin):
        operating.disable(session, clock(), SHELL, ada.id)
    with services.database.transaction() as session, pytest.raises(LastAdmin):
        operating.change(session, clock(), SHELL, ada.id, Standing(frozenset({Role.VIEWER})))
    with services.database.reading() as session:
        assert operators.find(session, ada.id).roles == ["admin"]


def test_a_scope_names_homeservers_that_there_are(make_operator):
    with pytest.raises(WrongOperator, match="no registered homeserver"):
        make_operator(
            "Emil", Role.EDITOR, scope=Scope(homeservers=frozenset({"elsewhere.example"}))
        )
