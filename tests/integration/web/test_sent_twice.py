"""A form that proves something is sent twice, as by a double click: the browser keeps the second answer alone."""

import re

import pytest

from identity.core.one_time_codes.models import Purpose
from identity.threepids import associations
from tests.worlds.bulk_inviters import HERS
from tests.worlds.pages import *
from tests.worlds.pages import ZOE
from tests.worlds.visitors import heading, words

ADDRESS = "camille.durand@ac-rouen.example"


def twice(visitor, path, **fields):
    """Both requests carry the cookies of before. Where the second one leads."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', visitor.get(path).text)[1]
    form = {"csrf_token": token, **fields}
    before = dict(visitor.client._cookies)
    visitor.client.post(path, data=form, headers=visitor.headers)
    visitor.client._cookies.clear()
    visitor.client._cookies.update(before)
    second = visitor.client.post(path, data=form, headers=visitor.headers)
    return visitor.get(second.location) if second.status_code in {302, 303} else second


@pytest.fixture
def phone(site):
    return site.visitor()


def test_the_code_at_the_desk(site, ana):
    ana.start()
    answer = twice(ana, "/check/1", code=site.code())
    assert ana.at == "/account/1", words(answer)
    assert heading(ana.get("/check/1")) == heading(answer)


def test_the_button_under_the_link(site, ana):
    ana.start()
    site.post()
    twice(ana, site.link())
    assert ana.at == "/account/1"


def test_the_code_behind_the_link_on_a_phone(site, ana, phone):
    ana.start()
    code = site.code()
    phone.get(site.link())
    twice(phone, site.link(), code=code)
    assert phone.at.startswith("/account/")


def test_the_code_of_an_invitation(site, phone):
    site.invited()
    link = site.mailed()
    twice(phone, link, code=site.code(site.invitations[-1]))
    assert phone.at.startswith("/account/")


def test_a_cookie_of_before_the_proof_opens_nothing_without_it(site, ana):
    """Who planted a cookie in somebody's browser has only that."""
    ana.start()
    code = site.code()
    planted = dict(ana.client._cookies)
    ana.post("/check/1", code=code)
    thief = site.visitor()
    thief.client._cookies.update(planted)
    wrong = f"{(int(code.replace(' ', '')) + 1) % 10**8:08d}"
    assert thief.get("/account/1").status_code == 404
    assert thief.post("/check/1", code=wrong).status_code == 404
    site.clock.advance(minutes=2)
    assert thief.post("/check/1", code=code).status_code == 404


@pytest.fixture
def agent(site):
    with site.services.database.transaction() as session:
        associations.bind(session, site.clock(), address=HERS, user_id=ZOE)


@pytest.mark.usefixtures("agent")
def test_the_code_of_lists(site):
    zoe = site.visitor()
    zoe.post("/lists/sign-in", email=HERS)
    site.post()
    code = site.mailed_code(Purpose.LISTS, HERS)
    twice(zoe, "/lists/code", code=code)
    assert zoe.at == "/lists"
    site.clock.advance(minutes=2)
    zoe.post("/lists/sign-out")
    assert zoe.get("/lists")
    assert zoe.at == "/lists/sign-in"
