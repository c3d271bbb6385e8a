"""The file of the terms, and what is said of a wrong one."""

from pathlib import Path

import pytest

from identity.settings import WrongSettings
from identity.threepids.terms import Terms, read_terms

GOOD = """
policies:
  privacy:
    version: "1.2"
    fr: {name: Confidentialité, url: "https://example.org/privacy-1.2-fr"}
    en: {name: Privacy, url: "https://example.org/privacy-1.2-en"}
  use:
    version: "3"
    fr: {name: Conditions, url: "https://example.org/use-3-fr"}
"""


@pytest.fixture
def read(tmp_path):
    def read(text: str | bytes) -> Terms:
        path = tmp_path / "terms.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_terms(path)

    return read


def test_without_a_file_there_are_no_terms():
    assert read_terms(None) == Terms()
    assert Terms().are_accepted([])


def test_policies_are_read_with_their_languages(read):
    told = read(GOOD).described()
    assert told["privacy"]["version"] == "1.2"
    assert told["privacy"]["en"] == {"name": "Privacy", "url": "https://example.org/privacy-1.2-en"}
    assert set(told["use"]) == {"version", "fr"}


def test_a_policy_is_accepted_by_any_of_its_texts_and_all_are_needed(read):
    terms = read(GOOD)
    one, other = "https://example.org/privacy-1.2-en", "https://example.org/use-3-fr"
    assert not terms.are_accepted([])
    assert not terms.are_accepted([one])
    assert terms.are_accepted([one, other])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "policies"),
        ("[]", "policies"),
        ("policies: 5", "policies"),
        ("policies: {privacy: 5}", "version"),
        ("policies: {privacy: {version: 1.2, fr: {name: a, url: 'https://x'}}}", "quotes"),
        ("policies: {privacy: {version: '1'}}", "language"),
        ("policies: {privacy: {version: '1', fr: a}}", "name and url"),
        ("policies: {privacy: {version: '1', fr: {name: a}}}", "name and url"),
        ("policies: {privacy: {version: '1', no: {name: a, url: 'https://x'}}}", "quotes"),
        ("policies: {privacy: {version: '1', fr: {name: a, url: 'ftp://x'}}}", "https"),
        ("policies: {", "terms.yaml"),
        (b"\xff\xfe\xfa", "terms.yaml"),
    ],
)
def test_a_wrong_file_stops_the_start_and_says_why(read, text, fault):
    with pytest.raises(WrongSettings, match=fault) as caught:
        read(text)
    assert "GUICHET_TERMS_FILE" in str(caught.value)


def test_a_file_without_an_end_is_no_file_of_terms():
    with pytest.raises(WrongSettings, match=r"GUICHET_TERMS_FILE: /dev/zero: .* characters"):
        read_terms(Path("/dev/zero"))


def test_a_missing_file_stops_the_start(tmp_path):
    with pytest.raises(WrongSettings, match="GUICHET_TERMS_FILE"):
        read_terms(tmp_path / "missing.yaml")
