"""What a person would read is copied from the tester: with a script by a button, without one by hand."""

import pytest

from tests.worlds.console import *
from tests.worlds.console_in_chromium import *

pytestmark = pytest.mark.browser
SENTENCE = "Addresses at @elsewhere.example cannot create an account yet. You did nothing wrong."


@pytest.fixture
def database_url(sqlite_url) -> str:
    return sqlite_url


def test_the_sentence_is_copied_with_and_without_a_script(sit_down, vera):
    by_hand = sit_down(vera)
    by_script = sit_down(vera, script=True, permissions=["clipboard-read", "clipboard-write"])
    for page in (by_hand, by_script):
        page.goto("/admin/test")
        page.get_by_label("Addresses or domains").fill("lea@elsewhere.example")
        page.get_by_role("button", name="Test", exact=True).click()
        field = page.get_by_label("What the person reads")
        assert (field.input_value(), field.get_attribute("readonly")) == (SENTENCE, "")
    assert by_hand.get_by_role("button", name="Copy").count() == 0
    by_script.get_by_role("button", name="Copy").click()
    by_script.get_by_text("Copied.").wait_for()
    assert by_script.evaluate("navigator.clipboard.readText()") == SENTENCE
