"""Programs with API tokens that call /api/admin/v1 on a real database."""

from datetime import timedelta

import pytest

from identity.app import create_app
from identity.operators import models as operators, tokens as api_tokens
from identity.operators.roles import ALL
from identity.operators.service import Standing
from tests.worlds.operators import *

PREFIX = "/api/admin/v1"
WHY = "ticket 4412"


class Program:
    """A program that calls with one token, or with none."""

    def __init__(self, app, token=None) -> None:
        self.client, self.token = app.test_client(use_cookies=False), token
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path, **headers):
        return self.open("GET", path, **headers)

    def post(self, path, /, body=None, **headers):
        return self.open("POST", path, {"reason": WHY} if body is None else body, **headers)

    def open(self, method, path, body=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.open(
            PREFIX + path, method=method, json=body, headers=self.headers | named
        )


@pytest.fixture
def app(services):
    return create_app(services)


@pytest.fixture
def issue_token(services, clock):
    """A token of this operator with these roles; `name` is unique."""

    def issue_token(operator, *roles, scope=ALL, name="a program", lifetime=timedelta(days=30)):
        with services.database.transaction() as session:
            maker = operators.find(session, operator.id)
            standing = Standing(frozenset(roles) or maker.role_set, scope)
            _, token = api_tokens.issue(
                session, clock(), SHELL, maker, name=name, standing=standing, lifetime=lifetime
            )
        return token

    return issue_token


@pytest.fixture
def program(app, make_operator, issue_token):
    """A program with these roles and this scope, of an operator of its own."""
    made = []

    def program(*roles, scope=ALL):
        made.append(roles)
        maker = make_operator(f"Maker{len(made)}", *roles, scope=scope)
        return Program(app, issue_token(maker, *roles, scope=scope, name=f"program {len(made)}"))

    return program


@pytest.fixture
def stranger(app):
    return Program(app)
