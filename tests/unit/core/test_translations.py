"""Texts by id: one that is missing is a fault, and mails have all of theirs."""

import pytest

from identity.translations import LANGUAGES, MissingText, choose_language, texts


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_id_without_a_text_is_a_fault_not_a_blank(language):
    with pytest.raises(MissingText, match=f"{language}: mail.nothing"):
        texts(language).gettext("mail.nothing")
    with pytest.raises(MissingText, match=f"{language}: mail.nothing"):
        texts(language).ngettext("mail.nothing", "mail.nothing", 2)


def test_a_language_we_do_not_speak_is_a_fault():
    with pytest.raises(MissingText, match="tlh"):
        texts("tlh")


def test_all_catalogues_of_a_language_are_read():
    for language in LANGUAGES:
        known = texts(language)
        assert known.gettext("mail.help")
        assert known.gettext("frame.help")


def test_the_two_languages_are_not_the_same_one():
    assert texts("fr").gettext("mail.verify.h1") == "Confirmez votre adresse"
    assert texts("en").gettext("mail.verify.h1") == "Confirm your address"


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (["en"], "en"),
        (["fr-CA", "en"], "fr"),
        (["de", "EN-gb", "fr"], "en"),
        (["de"], "fr"),
        ([], "fr"),
        (["english"], "fr"),
    ],
)
def test_the_first_language_we_speak_is_chosen(wanted, chosen):
    assert choose_language(wanted, "fr") == chosen
