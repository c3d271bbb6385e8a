import unicodedata

import pytest
from hypothesis import given, strategies as st

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from domain_rules.display_names import clean_name, display_name


@pytest.mark.parametrize(
    ("text", "organisation", "name"),
    [
        ("camille.durand@x.example", "Éducation nationale – Rouen", "Camille Durand [Rouen]"),
        ("camille.durand@x.example", "Rouen", "Camille Durand [Rouen]"),
        ("camille.durand@x.example", "", "Camille Durand"),
        ("camille.durand@x.example", "Éducation nationale – ", "Camille Durand"),
        ("jean-paul.martin@x.example", "", "Jean-Paul Martin"),
        ("jean_martin@x.example", "", "Jean Martin"),
        ("camille.durand2@x.example", "", "Camille Durand"),
        ("camille.durand.2@x.example", "", "Camille Durand"),
        ("camille.durand+chat@x.example", "", "Camille Durand"),
        ("o'neil@x.example", "", "O'Neil"),
        ("hélène.petit@x.example", "", "Hélène Petit"),
        ("12345@x.example", "", "12345"),
        ("___@asso.example", "", "asso example"),
        ("a@x.example", "Ministère [secret] – Lyon/Est", "A [Lyon Est]"),
    ],
)
def test_a_name_is_proposed_from_the_address_and_the_label(text, organisation, name):
    assert display_name(EmailAddress.parse(text, smtputf8=True), organisation) == name


@pytest.mark.parametrize(
    ("typed", "cleaned"),
    [
        ("  Camille   Durand ", "Camille Durand"),
        ("J. Dupont jr.", "J. Dupont jr."),
        ("www.evil.com", "www evil com"),
        ("https://evil.com/x?y", "https evil com x y"),
        ("a@evil.com", "a evil com"),
        ("Camille\u202ednaruD", "CamillednaruD"),
        ("Cam\u200bille\x00Durand\n", "Camille Durand"),
        ("<b>Camille</b>", "b Camille b"),
        ("...", ""),
        ("", ""),
    ],
)
def test_a_name_keeps_nothing_invisible_and_nothing_that_reads_as_a_link(typed, cleaned):
    assert clean_name(typed) == cleaned


@pytest.mark.slow
@given(st.text())
def test_a_cleaned_name_is_clean_and_stays_so(text):
    name = clean_name(text)
    assert len(name) <= 64
    assert not [letter for letter in name if unicodedata.category(letter)[0] == "C"]
    assert not set(name) & set("/:@<>\\")
    assert clean_name(name) == name


@pytest.mark.slow
@given(st.text("a1.-_+'é", min_size=1, max_size=64), st.text())
def test_a_proposed_name_is_never_empty_nor_too_long(local, organisation):
    try:
        address = EmailAddress.parse(f"{local}@asso.example", smtputf8=True)
    except InvalidAddress:
        return
    assert 1 <= len(display_name(address, organisation)) <= 64
