"""Whoever never asked ends the request, and can take that back for a week."""

from datetime import timedelta

import pytest

from identity.core.one_time_codes.service import Result
from identity.mail import models as mails
from identity.sign_up import models as verification_requests, not_me, service as sign_up, visibility
from identity.sign_up.visibility import Step
from tests.worlds.sign_ups import *
from tests.worlds.sign_ups import ANA, BRUNO, WRONG, reread, right_code


def test_not_me_ends_codes_and_links_and_can_be_undone_for_seven_days(
    begin, act, tokens, clock, database
):
    request = begin()
    act(not_me.cancel, request)
    code = right_code(database, tokens, request)
    assert act(sign_up.try_code, request, code, tokens=tokens).result is Result.OVER
    assert not act(sign_up.confirm_by_link, request)
    assert act(not_me.undo_cancel, request)
    assert act(sign_up.try_code, request, code, tokens=tokens).result is Result.RIGHT
    act(not_me.cancel, request)
    clock.advance(days=7)
    assert not act(not_me.undo_cancel, request)


def refuse(act, tokens, request, code):
    return act(not_me.cancel_with_code, request, code, tokens=tokens, browser=BRUNO).result


def test_not_me_without_the_cookie_needs_the_code(begin, act, tokens, clock, database):
    request = begin()
    assert refuse(act, tokens, request, WRONG) is Result.WRONG
    assert reread(database, request).refused_at is None
    code = right_code(database, tokens, request)
    assert refuse(act, tokens, request, code) is Result.RIGHT
    ended = reread(database, request)
    assert visibility.step_seen_by(ended, clock(), browsers={BRUNO}) is Step.CANCELLED
    assert act(not_me.undo_with_code, request, code, tokens=tokens).result is Result.RIGHT
    assert (
        visibility.step_seen_by(reread(database, request), clock(), browsers={BRUNO}) is Step.OPEN
    )


@pytest.mark.slow
def test_a_request_refused_with_the_code_is_dead_and_its_own_browser_does_not_see_it(
    begin, act, tokens, clock, database, post
):
    request = begin()
    code = right_code(database, tokens, request)
    refuse(act, tokens, request, code)
    assert visibility.step_of(reread(database, request), clock()) is Step.OPEN
    assert not act(sign_up.confirm_by_link, request)
    answer = act(sign_up.try_code, request, code, tokens=tokens)
    assert (answer.result, answer.is_used) == (Result.OVER, True)
    clock.advance(minutes=2)
    act(sign_up.resend, request, language="fr")
    post()
    with database.reading() as session:
        newest = mails.find_recent(session)[0]
    assert (newest.template, newest.state) == ("verify", "dropped")


def test_giving_up_in_the_browser_that_asked_cannot_bring_a_refused_request_back(
    begin, act, tokens, clock, database
):
    request = begin()
    refuse(act, tokens, request, right_code(database, tokens, request))
    act(not_me.cancel, request)
    assert visibility.step_of(reread(database, request), clock()) is Step.CANCELLED
    assert act(not_me.undo_cancel, request)
    assert visibility.step_of(reread(database, request), clock()) is Step.OPEN
    assert not act(sign_up.confirm_by_link, request)


def test_it_was_not_me_after_the_code_was_used_ends_what_it_confirmed(
    begin, act, tokens, clock, database
):
    request = begin()
    code = right_code(database, tokens, request)
    assert act(sign_up.try_code, request, code, tokens=tokens).result is Result.RIGHT
    clock.advance(hours=3)
    assert refuse(act, tokens, request, code) is Result.RIGHT
    assert visibility.step_of(reread(database, request), clock()) is Step.CANCELLED
    assert reread(database, request).cancelled_at == clock() - timedelta(0)
    with database.reading() as session:
        assert verification_requests.find(session, browser=ANA, ordinal=1).state == "cancelled"
