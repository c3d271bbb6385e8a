"""One browser, many tabs at the same moment: each gets its page, and its request a name of its own."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http import HTTPStatus
from threading import Barrier

import pytest
from sqlalchemy import select

from identity.app import create_app
from identity.core.rate_limits import RateLimits
from identity.sign_up.models import VerificationRequest
from tests.worlds.api import *

AT_ONCE = 24


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request) -> str:
    """Their transactions wait for each other in different ways."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.mark.parametrize("address", ["person{}@ac-rouen.example", "camille@ac-rouen.example"])
def test_24_starts_at_once_in_one_browser_all_get_their_page(services, settings, address):
    unlimited = settings.model_copy(update={"limits": "off"})
    app = create_app(replace(services, limits=RateLimits(unlimited)))
    browser = app.test_client()
    page = browser.get("/start").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    # The browser has its cookie by now, whichever answer sets it.
    first = browser.post("/start", data={"csrf_token": token, "email": "first@ac-rouen.example"})
    assert first.status_code == 303
    cookies = "; ".join(f"{each.key}={each.value}" for each in browser._cookies.values())
    together = Barrier(AT_ONCE)

    def start(number: int) -> tuple[int, str]:
        tab = app.test_client(use_cookies=False)
        form = {"csrf_token": token, "email": address.format(number)}
        together.wait()
        answer = tab.post("/start", data=form, headers={"Cookie": cookies})
        while (
            answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        ):  # on a slow machine: press again
            answer = tab.post("/start", data=form, headers={"Cookie": cookies})
        return answer.status_code, answer.headers.get("Location", "")

    with ThreadPoolExecutor(AT_ONCE) as tabs:
        answers = list(tabs.map(start, range(AT_ONCE)))
    assert {status for status, _ in answers} == {303}, answers
    with services.database.reading() as session:
        rows = session.scalars(
            select(VerificationRequest).where(
                VerificationRequest.address != "first@ac-rouen.example"
            )
        ).all()
    assert len({(row.browser, row.ordinal) for row in rows}) == len(rows)
    assert {row.address for row in rows} == {address.format(n) for n in range(AT_ONCE)}
    assert len({place for _, place in answers}) == len(rows)
