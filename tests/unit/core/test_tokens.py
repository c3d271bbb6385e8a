"""Links and codes: one purpose each, any key of the list, nothing that a mail program could break."""

import re
import string
import uuid

import pytest
from hypothesis import given, strategies as st
from pydantic import SecretStr

from identity.core.tokens import Tokens, UnknownCodeKey, is_whole_code, typed_digits
from identity.mail.rendering import group_digits

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


@pytest.mark.slow
@given(st.uuids(), st.integers(0, 49), st.characters(codec="ascii"))
def test_a_changed_token_is_refused(subject, place, letter):
    token = TOKENS.link(subject, "verify")
    changed = token[:place] + letter + token[place + 1 :]
    assert (TOKENS.read_link(changed, "verify") == subject) == (changed == token)


@given(st.uuids(), st.sampled_from(string.ascii_letters + string.digits + "-_*=é"))
def test_the_same_bytes_spelled_otherwise_are_no_token(subject, letter):
    token, cookie = TOKENS.link(subject, "verify"), TOKENS.sign_browser("browser")
    for changed in {token[:-1] + letter, token[:30] + letter + token[30:]} - {token}:
        assert TOKENS.read_link(changed, "verify") is None
    for changed in {cookie[:-1] + letter, cookie + letter} - {cookie}:
        assert TOKENS.browser_cookie(changed) is None


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
    first = TOKENS.code("sign_up", "a@x.example", 1)
    assert first == TOKENS.code("sign_up", "a@x.example", 1)
    assert len({TOKENS.code("sign_up", "a@x.example", n) for n in range(20)}) == 20
    assert first != TOKENS.code("lists", "a@x.example", 1)
    assert first != TOKENS.code("sign_up", "b@x.example", 1)
    assert re.fullmatch(r"\d{8}", first)
    assert re.fullmatch(r"\d{12}", TOKENS.code("sign_up", "a@x.example", 1, digits=12))


def test_a_code_is_made_with_the_key_that_is_named_or_with_the_newest():
    subject = ("sign_up", "a@x.example", 1)
    old, both = Tokens([OLD]), Tokens([OLD, NEW])
    assert both.code(*subject, key_id=old.key_id) == old.code(*subject)
    assert both.code(*subject) == Tokens([NEW]).code(*subject)
    assert both.has_key(old.key_id)
    assert not Tokens([NEW]).has_key(old.key_id)
    with pytest.raises(UnknownCodeKey):
        Tokens([NEW]).code(*subject, key_id=old.key_id)


@pytest.mark.parametrize(
    "written",
    [
        "4829 1375",
        " 4829-1375\n",
        "4829\u00a01375",
        "4 8 2 9 1 3 7 5",
        "\uff14\uff18\uff12\uff191375",
    ],
)
def test_spaces_and_dashes_in_a_code_do_not_count(written):
    assert typed_digits(written) == "48291375"
    assert is_whole_code(written)


@pytest.mark.parametrize(
    "typed",
    ["", "1234567", "123456789", "1234567890123", "abcdefgh", "1" * 1_000_000, "१२", "²" * 8],
)
def test_what_is_no_code_is_none_and_costs_nothing(typed):
    assert not is_whole_code(typed)


def test_a_code_is_read_in_groups_of_four():
    assert (group_digits("48291375"), group_digits("482913750041")) == (
        "4829 1375",
        "4829 1375 0041",
    )


def test_a_browser_cookie_is_ours_or_nothing():
    browser = TOKENS.new_browser()
    assert TOKENS.browser_cookie(TOKENS.sign_browser(browser)) == browser
    assert TOKENS.browser_cookie(browser) is None
    assert TOKENS.browser_cookie(None) is None
    assert browser not in TOKENS.browser_hash(browser)
