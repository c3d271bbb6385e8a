"""The old server's answers, against the plain way to find them."""

import re

import pytest
from hypothesis import given, strategies as st

from domain_rules.info_yaml.legacy_lookup import LegacyServer
from domain_rules.info_yaml.probe_addresses import probe_addresses_of
from tests.worlds.old_files import A, E, P, read

PATTERNS = st.lists(
    st.sampled_from(
        [
            *(r".*@a\.fr", r".*@a.fr", r".*@(.*\.|)a\.fr", r".*@(.*.|)a.fr", ".*", r".*@x.a.fr"),
            *(
                r".*@(a|b|sub)\.a.fr",
                r".*@(.*\.|)fr",
                "ana.proof@a.fr",
                r".*@A\.fr",
                r".*@b.b.b.fr",
            ),
        ]
    ),
    max_size=8,
)


@pytest.mark.slow
@given(PATTERNS)
def test_the_first_that_matches_is_found_as_by_trying_each(patterns):
    reading = read(*((text, A) for text in patterns))
    server = LegacyServer(reading.old)
    for target in [target for line in reading.old for target in line.targets]:
        for address in probe_addresses_of(target):
            plain = next((text for text in patterns if re.match(text + "$", address)), None)
            found = server.find_line(address)
            assert (found.text if found else None) == plain


def test_entries_come_before_patterns_and_capitals_count():
    server = LegacyServer(read((".*", E), entries={"ana@a.fr": A}).old)
    assert server.find_line("ana@a.fr").answer.hs == "a.fake.server"
    assert server.find_line("Ana@a.fr").answer.hs == "e.fake.server"


def test_who_asks_from_outside_sees_the_shadow_server_alone():
    answer = LegacyServer(read((".*", P)).old).find_line("ana@a.fr").answer
    assert answer.for_caller(inside=True) == ("p.fake.server", "public.p.fake.server", False)
    assert answer.for_caller(inside=False) == ("public.p.fake.server", None, False)
