"""Links and codes: one purpose each, any key of the list, nothing that a mail program could break."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from identity.tokens import Tokens

OLD, NEW = SecretStr("an old key of some length"), SecretStr("a new key of some length")
TOKENS = Tokens([NEW])


@given(st.uuids())
def test_a_link_token_is_50_characters_and_survives_mail_programs(subject):
    token = TOKENS.link(subject, "verify")
    assert len(token) == 50
    assert token[-1] not in "-_"
    assert TOKENS.read_link(token, "verify") == subject
    assert TOKENS.read_link(token + ".,>)]", "verify") == subject


@given(st.uuids())
def test_a_token_for_one_purpose_proves_nothing_for_another(subject):
    assert TOKENS.read_link(TOKENS.link(subject, "verify"), "not_me") is None


@given(st.uuids(), st.integers(0, 49), st.characters(codec="ascii"))
def test_a_changed_token_is_refused_or_says_the_same(subject, place, letter):
    token = TOKENS.link(subject, "verify")
    changed = token[:place] + letter + token[place + 1 :]
    assert TOKENS.read_link(changed, "verify") in {None, subject}


@given(st.text(max_size=200))
def test_no_text_is_a_token_by_accident(text):
    assert TOKENS.read_link(text, "verify") is None
    assert TOKENS.browser_cookie(text) is None


def test_links_made_under_an_old_key_still_verify_until_it_is_removed():
    subject = uuid.uuid4()
    made = Tokens([OLD]).link(subject, "verify")
    assert Tokens([OLD, NEW]).read_link(made, "verify") == subject
    assert Tokens([NEW]).read_link(made, "verify") is None
    assert Tokens([OLD, NEW]).link(subject, "verify") == TOKENS.link(subject, "verify")


def test_the_code_is_the_same_for_one_generation_and_another_for_the_next():
    subject = uuid.UUID(int=7)
    first = TOKENS.code(subject, 1)
    assert first == TOKENS.code(subject, 1)
    assert len({TOKENS.code(subject, n) for n in range(20)}) > 15
    assert first.isdecimal()
    assert len(first) == 6


def test_a_code_made_under_an_old_key_is_still_right():
    subject = uuid.uuid4()
    code = Tokens([OLD]).code(subject, 1)
    assert Tokens([OLD, NEW]).is_code(code, subject, 1)
    assert not Tokens([NEW, SecretStr("third")]).is_code(code, subject, 1)


@pytest.mark.parametrize(
    "written",
    [
        "{0}{1}{2} {3}{4}{5}",
        " {0}{1}{2}-{3}{4}{5}\n",
        "{0}{1}{2}\u00a0{3}{4}{5}",
        "{0} {1} {2} {3} {4} {5}",
    ],
)
def test_spaces_and_dashes_in_a_code_do_not_count(written):
    subject = uuid.uuid4()
    digits = TOKENS.code(subject, 1)
    assert TOKENS.is_code(written.format(*digits), subject, 1)
    wide = "".join(chr(ord("\uff10") + int(digit)) for digit in digits)
    assert TOKENS.is_code(wide, subject, 1)


@pytest.mark.parametrize(
    "typed", ["", "12345", "1234567", "abcdef", "1" * 1_000_000, "१२", "²²²²²²"]
)
def test_what_is_no_code_is_wrong_and_costs_nothing(typed):
    assert not TOKENS.is_code(typed, uuid.uuid4(), 1)


def test_a_browser_cookie_is_ours_or_nothing():
    browser = TOKENS.new_browser()
    assert TOKENS.browser_cookie(TOKENS.sign_browser(browser)) == browser
    assert TOKENS.browser_cookie(browser) is None
    assert TOKENS.browser_cookie(None) is None
    assert browser not in TOKENS.browser_hash(browser)
