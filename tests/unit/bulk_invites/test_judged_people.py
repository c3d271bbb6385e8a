"""What is said of each row of a list before anything is sent."""

import pytest

from domain_rules.bulk_invites.checks import (
    Caution,
    CheckContext,
    RowOutcome,
    check_rows,
    is_one_slip,
)
from domain_rules.bulk_invites.tables import Row
from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet
from identity.routing import never_agent

AGENTS = RuleSet.compile(
    [
        Rule(RuleKind.DOMAIN, "ac-rouen.fr", AccountClass.AGENT, "education.example", requires_invite=False),
        Rule(RuleKind.DOMAIN, "ac-caen.fr", None, None, requires_invite=True, sibling_of="ac-rouen.fr"),
        Rule(RuleKind.DEFAULT, "", AccountClass.GUEST, "guests.example", requires_invite=True),
    ]
)  # fmt: skip
CLOSED = RuleSet.compile(
    [Rule(RuleKind.DOMAIN, "ac-rouen.fr", AccountClass.AGENT, "education.example", requires_invite=False)]
)  # fmt: skip


def outcome(text, rules=AGENTS, *, kept=False, **around):
    (judged,) = check_rows(rules, [Row(1, text, kept)], CheckContext(**around))
    return judged.outcome, judged.detail


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zoe@ac-rouen.fr", (RowOutcome.READY, "")),
        ("lea@asso.example", (RowOutcome.READY, "")),
        ("lea.asso.example", (RowOutcome.NOT_AN_ADDRESS, "no_at")),
        ("=cmd|' /C calc'!A0", (RowOutcome.NOT_AN_ADDRESS, "no_at")),
        ("zoe@ac-ruen.fr", (RowOutcome.TYPO, "zoe@ac-rouen.fr")),
        ("paul@gmial.com", (RowOutcome.TYPO, "paul@gmail.com")),
        ("zoe@ac-caen.fr", (RowOutcome.SIBLING, "ac-rouen.fr")),
        ("zoe@аc-rouen.fr", (RowOutcome.LOOK_ALIKE, "xn--c-rouen-3fg.fr")),
    ],
)
def test_every_row_is_judged_by_the_rules(text, expected):
    assert outcome(text)[0] is expected[0]
    if expected[0] is not RowOutcome.LOOK_ALIKE:
        assert outcome(text)[1] == expected[1]
    else:
        assert outcome(text)[1].startswith("xn--")


def test_what_the_circumstances_say_decides_too():
    assert outcome("Zoe@ac-rouen.fr", own={"zoe@ac-rouen.fr"})[0] is RowOutcome.YOUR_OWN
    assert (
        outcome("LEA@asso.example", invited={"lea@asso.example"})[0] is RowOutcome.ALREADY_INVITED
    )
    assert outcome("lea@asso.example", room_takes_guests=False)[0] is RowOutcome.ROOM_CLOSED
    assert outcome("zoe@ac-rouen.fr", room_takes_guests=False)[0] is RowOutcome.READY
    assert outcome("lea@asso.example", CLOSED)[0] is RowOutcome.NOT_ACCEPTED
    assert outcome("paul@gmial.com", kept=True)[0] is RowOutcome.READY
    assert outcome("zoe@ac-ruen.fr", kept=True)[0] is RowOutcome.READY


def test_duplicates_are_found_by_the_canonical_form_and_mailboxes_warned_of():
    rows = [
        Row(2, "Lea@Asso.example"),
        Row(3, "lea@asso.example"),
        Row(4, "lea+gare@asso.example"),
        Row(5, "contact@asso.example"),
        Row(5, "contact@asso.example"),
    ]
    judged = check_rows(AGENTS, rows)
    assert [(each.outcome, each.detail, each.caution) for each in judged] == [
        (RowOutcome.READY, "", Caution.NONE),
        (RowOutcome.DUPLICATE, "2", Caution.NONE),
        (RowOutcome.READY, "2", Caution.SAME_MAILBOX),
        (RowOutcome.READY, "", Caution.SHARED_MAILBOX),
        (RowOutcome.DUPLICATE, "5", Caution.NONE),
    ]


@pytest.mark.parametrize("typed", ["gmial.com", "gmai.com", "gmaill.com", "gnail.com", "mail.com"])
def test_one_slip_of_the_hand_is_one(typed):
    assert is_one_slip(typed, "gmail.com")


@pytest.mark.parametrize("typed", ["gmail.com", "gmial.con", "hotmail.com", "gmail.co.uk"])
def test_two_slips_are_not_one(typed):
    assert not is_one_slip(typed, "gmail.com")


def aside(line, text):
    return Row(line, text, aside=f"voir avec {text} svp")


def test_an_address_in_other_text_is_nobodys_before_somebody_says_so():
    (told,) = check_rows(AGENTS, [aside(3, "lea@asso.example")])
    assert (told.outcome, told.detail) == (RowOutcome.IN_TEXT, "voir avec lea@asso.example svp")
    (kept,) = check_rows(AGENTS, [Row(3, "lea@asso.example", is_kept=True, aside="voir avec")])
    assert kept.outcome is RowOutcome.READY


def test_an_address_that_is_only_told_does_not_stand_in_the_way_of_the_person_who_is_named():
    rows = [aside(1, "lea@asso.example"), Row(2, "lea@asso.example"), aside(3, "LEA@asso.example")]
    said = [(each.outcome, each.detail) for each in check_rows(AGENTS, rows)]
    assert said[1:] == [(RowOutcome.READY, ""), (RowOutcome.DUPLICATE, "2")]
    assert said[0][0] is RowOutcome.IN_TEXT


EXISTING = (
    *("gmx.fr", "gmx.com", "laposte.net", "free.fr", "sfr.fr", "orange.fr", "outlook.fr", "mail.com"),
    *("ymail.com", "yahoo.fr", "hotmail.fr", "live.fr", "aol.fr", "neuf.fr", "numericable.fr", "bbox.fr"),
    *("club-internet.fr", "email.com", "qmail.com", "proton.me", "pm.me", "icloud.com", "me.com"),
)  # fmt: skip


@pytest.mark.parametrize("domain", EXISTING)
@pytest.mark.parametrize(
    "agents", ["gm.fr", "laposte.fr", "fre.fr", "srf.fr", "orangee.fr", "mel.com"]
)
def test_where_people_have_mail_nobody_is_asked_whether_they_meant_another_domain(domain, agents):
    near = RuleSet.compile(
        [
            Rule(RuleKind.DOMAIN, agents, AccountClass.AGENT, "education.example", requires_invite=False),
            Rule(RuleKind.DEFAULT, "", AccountClass.GUEST, "guests.example", requires_invite=True),
        ]
    )  # fmt: skip
    assert outcome(f"paul@{domain}", near, exists=never_agent.has_mailboxes) == (
        RowOutcome.READY,
        "",
    )


@pytest.mark.parametrize(
    "typed", ["gmial.com", "gmai.com", "hotmial.com", "orang.fr", "laposte.ne"]
)
def test_a_domain_of_throw_away_addresses_is_no_excuse_for_a_slip(typed):
    said = outcome(f"paul@{typed}", exists=never_agent.has_mailboxes)
    assert said[0] is RowOutcome.TYPO


def test_every_row_at_one_mistyped_domain_is_told_what_was_meant():
    rows = [Row(line, f"n{line}@ac-ruen.fr") for line in range(1, 60)]
    rows += [Row(100 + line, f"n{line}@gmial.com") for line in range(1, 60)]
    said = check_rows(AGENTS, rows)
    assert {each.outcome for each in said} == {RowOutcome.TYPO}
    assert {each.detail.partition("@")[2] for each in said} == {"ac-rouen.fr", "gmail.com"}
