"""The proof: the old answers and the new ones, and every difference with its cause."""

import pytest

from domain_rules.addresses import EmailAddress
from domain_rules.info_yaml.legacy_lookup import CallerAnswer, LegacyServer, current_answer
from domain_rules.info_yaml.lint import LintKind, find_dangers
from domain_rules.info_yaml.proof import Cause, prove
from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet
from tests.worlds.old_files import WITHOUT_INVITE, A, E, P, read

TO_A = CallerAnswer("a.fake.server", None, requires_invite=False)
TO_E = CallerAnswer("e.fake.server", None, requires_invite=True)
WHOLE = (
    (r".*@allowed\.server", A),
    (r".*@(.*\.|)vip\.fake\.server", A),
    (r".*@(.*\.|)internal\.fake\.server", P),
    (".*", E),
)
ENTRIES = {"john.doe@fake.server": WITHOUT_INVITE}


def unescaped():
    return [
        (pattern.replace(r"\.", ".").replace("(.*.|)", r"(.*\.|)"), said) for pattern, said in WHOLE
    ]


def differences(reading, *others: Rule):
    rules = {rule.name: rule for rule in (*others, *reading.rules)}
    return prove(reading, RuleSet.compile(rules.values())).differences


def found(reading, *others: Rule) -> list[tuple[int, str, Cause]]:
    return [(each.line, each.address, each.cause) for each in differences(reading, *others)]


@pytest.mark.parametrize("is_inside", [True, False])
@pytest.mark.parametrize(
    "address",
    [
        *("john.doe@fake.server", "jane.doe@fake.server", "ana@allowed.server"),
        *("ana@sub.allowed.server", "ana@vip.fake.server", "ana@sub.vip.fake.server"),
        *("ana@notvip.fake.server", "ana@internal.fake.server", "ana@a.b.internal.fake.server"),
        *("ana@xinternal.fake.server", "ana@internal.fake.server.org", "ana@elsewhere.org"),
    ],
)
def test_every_class_of_address_is_answered_as_the_old_server_did(address, is_inside):
    reading = read(*WHOLE, entries=ENTRIES)
    old = LegacyServer(reading.old).find_line(address).answer.for_caller(inside=is_inside)
    decision = RuleSet.compile(reading.rules).decide(EmailAddress.parse(address))
    assert current_answer(decision, inside=is_inside) == old


def test_a_file_with_escaped_dots_differs_in_capitals_only():
    proof = prove(reading := read(*WHOLE, entries=ENTRIES), RuleSet.compile(reading.rules))
    assert proof.is_whole
    assert (proof.lines, proof.addresses > 30) == (5, True)
    assert {each.cause for each in proof.differences} == {Cause.CAPITALS}


def test_unescaped_dots_give_the_rules_that_were_meant_and_the_difference_is_told():
    reading = read(*unescaped(), entries=ENTRIES)
    assert reading.rules == read(*WHOLE, entries=ENTRIES).rules
    told = {each.address: each for each in differences(reading)}
    vip = told["ana.proof@vipxfake.server"]
    assert (vip.line, vip.cause) == (102, Cause.UNESCAPED_DOT)
    assert vip.inside == vip.outside == (TO_A, TO_E)
    inside = told["ana.proof@sub.internalxfake.server"]
    assert inside.inside.old == ("p.fake.server", "public.p.fake.server", False)
    assert inside.outside.old == ("public.p.fake.server", None, False)
    assert told["ana.proof@allowedxserver"].inside.new is None


def test_a_narrower_line_behind_a_wider_one_now_decides_and_that_is_told():
    reading = read((r".*@(.*\.|)a\.fr", A), (r".*@b\.a\.fr", E))
    told = found(reading)
    assert (102, "ana.proof@b.a.fr", Cause.ORDER) in told
    assert "line 101 came first" in differences(reading)[0].explanation


def test_a_rule_that_is_not_of_the_file_is_named():
    here = Rule(
        RuleKind.DOMAIN, "sub.a.fr", AccountClass.GUEST, "e.fake.server", requires_invite=True
    )
    reading = read((r".*@(.*\.|)a\.fr", A))
    told = differences(reading, here)
    assert any(each.cause is Cause.OTHER_RULE and here.name in each.explanation for each in told)


def test_a_domain_written_in_unicode_is_known_in_both_spellings():
    assert (101, "ana.proof@xn--acadmie-eya.fr", Cause.SPELLING) in found(
        read((r".*@académie\.fr", A))
    )


def test_capitals_in_the_file_are_told():
    reading = read((r".*@Dept\.fr", A), (".*", E))
    assert {cause for _, _, cause in found(reading)} == {Cause.CAPITALS}
    assert [(each.line, each.trap) for each in find_dangers(reading.old)] == [
        (101, LintKind.CAPITALS)
    ]


def test_lines_that_were_refused_are_no_part_of_it():
    reading = read((r".*@gone\.fr", {"hs": "nowhere.fr"}), (r".*@(.*\.|)fr", A))
    assert not [address for _, address, _ in found(reading) if address.endswith("@gone.fr")]


@pytest.mark.parametrize(
    ("patterns", "line", "trap", "said"),
    [
        ([(r".*@(.*\.|)a.fr", A)], 101, LintKind.UNESCAPED_DOT, "ana.proof@sub.axfr"),
        ([(r".*@(.*.|)a\.fr", A)], 101, LintKind.UNESCAPED_DOT, "ana.proof@xa.fr"),
        ([(".*", E), (r".*@a\.fr", A)], 102, LintKind.SHADOWED, "line 101 (.*)"),
        ([(r".*@(.*\.|)a\.fr", A), (r".*@b\.a\.fr", A)], 102, LintKind.SHADOWED, "the same answer"),
        (
            [(r".*@a\.fr", A), (r".*@(a|b)\.fr", E)],
            102,
            LintKind.OVERLAP,
            "a.fr was taken by line 101",
        ),
        ([(".*", WITHOUT_INVITE)], 101, LintKind.OPEN_DEFAULT, "without an invitation"),
    ],
)
def test_dangers_are_found_and_say_what_they_do(patterns, line, trap, said):
    told = {(each.line, each.trap): each.reason for each in find_dangers(read(*patterns).old)}
    assert said in told[line, trap]


def test_a_file_in_good_order_has_no_dangers():
    assert not list(find_dangers(read(*WHOLE, entries=ENTRIES).old))
    narrow_first = read((r".*@b\.a\.fr", E), (r".*@(.*\.|)a\.fr", A), (r".*@(a|b)\.org", A))
    assert not list(find_dangers(narrow_first.old))


def test_a_file_too_long_to_try_whole_tries_a_part_of_every_line():
    reading = read(*((rf".*@d{n}\.fr", A) for n in range(40)))
    proof = prove(reading, RuleSet.compile(reading.rules), max_addresses=60)
    assert (proof.is_whole, proof.lines, proof.addresses) == (False, 40, 60)
