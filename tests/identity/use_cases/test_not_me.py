"""Whoever never asked ends the request, and can take that back for a week."""

from identity.use_cases import sign_up
from identity.use_cases.codes import Result
from identity.use_cases.sign_up import Step
from tests.identity.use_cases.conftest import WRONG, reread, right_code


def test_not_me_ends_codes_and_links_and_can_be_undone_for_seven_days(
    start, act, tokens, clock, database
):
    request = start()
    act(sign_up.cancel, request)
    code = right_code(tokens, request)
    assert act(sign_up.type_code, request, code, tokens=tokens).result is Result.OVER
    assert not act(sign_up.confirm_by_link, request)
    assert act(sign_up.undo_cancel, request)
    assert act(sign_up.type_code, request, code, tokens=tokens).result is Result.RIGHT
    act(sign_up.cancel, request)
    clock.advance(days=7)
    assert not act(sign_up.undo_cancel, request)


def test_not_me_without_the_cookie_needs_the_code(start, act, tokens, clock, database):
    request = start()
    assert act(sign_up.cancel_with_code, request, WRONG, tokens=tokens).result is Result.WRONG
    assert sign_up.where(reread(database, request), clock()) is Step.OPEN
    code = right_code(tokens, request)
    assert act(sign_up.cancel_with_code, request, code, tokens=tokens).result is Result.RIGHT
    assert sign_up.where(reread(database, request), clock()) is Step.CANCELLED
    assert act(sign_up.undo_with_code, request, code, tokens=tokens).result is Result.RIGHT
    assert sign_up.where(reread(database, request), clock()) is Step.OPEN
