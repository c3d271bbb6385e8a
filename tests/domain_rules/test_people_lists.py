"""Lists of people, in every dress they come in, and what is said of each row."""

import pytest

from domain_rules import people_lists
from domain_rules.judged_people import Caution, Circumstances, Outcome, is_one_slip, judge
from domain_rules.people_lists import Fault, Row, Unreadable, read
from domain_rules.rules import AccountClass, Kind, Rule, RuleSet

AGENTS = RuleSet.compile(
    [
        Rule(Kind.DOMAIN, "ac-rouen.fr", AccountClass.AGENT, "education.example", requires_invite=False),
        Rule(Kind.DOMAIN, "ac-caen.fr", None, None, requires_invite=True, sibling_of="ac-rouen.fr"),
        Rule(Kind.DEFAULT, "", AccountClass.GUEST, "guests.example", requires_invite=True),
    ]
)  # fmt: skip
CLOSED = RuleSet.compile(
    [Rule(Kind.DOMAIN, "ac-rouen.fr", AccountClass.AGENT, "education.example", requires_invite=False)]
)  # fmt: skip

PEOPLE = "Nom;Adresse\nÉloïse;eloise@ac-rouen.fr\n\n# en congé\nLéa;lea@asso.example\n"
READ = [Row(2, "eloise@ac-rouen.fr"), Row(5, "lea@asso.example")]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_the_same_list_is_read_from_every_encoding(codec):
    assert read(PEOPLE.encode(codec)) == READ


def test_utf_16_without_a_mark_the_other_way_round_is_read_too():
    text = PEOPLE.replace("É", "E").replace("é", "e").replace("ï", "i").encode("utf-16-be")
    assert read(text) == READ


@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_same_list_is_read_with_every_separator_and_end_of_line(separator, end):
    text = PEOPLE.replace(";", separator).replace("\n", end)
    assert read(text.encode()) == READ


def test_the_column_is_found_by_what_stands_in_it_and_a_stray_one_is_found_too():
    text = "1,Zoé,zoe@a.example,note\n2,Gil,gil@b.example,voir a@c\n3,Ana,,ana@d.example\n"
    assert [row.text for row in read(text.encode())] == [
        "zoe@a.example",
        "gil@b.example",
        "ana@d.example",
    ]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("Camille Durand <camille@a.example>", ["camille@a.example"]),
        ('"Durand, Camille" <camille@a.example>', ["camille@a.example"]),
        ("mailto:camille@a.example?subject=bonjour", ["camille@a.example"]),
        ("<mailto:camille@a.example>", ["camille@a.example"]),
        ("zoe@a.example; gil@b.example; Ana <ana@c.example>", ["zoe@a.example", "gil@b.example", "ana@c.example"]),
        ("zoe@a.example, gil@b.example", ["zoe@a.example", "gil@b.example"]),
        ("'zoe@a.example'", ["zoe@a.example"]),
    ],
)  # fmt: skip
def test_people_are_read_as_mail_programs_write_them(line, found):
    assert [row.text for row in read(line.encode())] == found


def test_a_row_without_an_address_is_told_so_and_not_lost():
    rows = read(b"nom,mail\nZoe,zoe@a.example\nGil,\nAna,ana.a.example\n")
    assert [(row.line, row.text) for row in rows] == [
        (2, "zoe@a.example"),
        (3, "Gil"),
        (4, "ana.a.example"),
    ]


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"", Fault.EMPTY),
        (b"\xef\xbb\xbf \r\n", Fault.EMPTY),
        (b"PK\x03\x04\x14\x00\x06\x00[Content_Types].xml", Fault.SPREADSHEET),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Fault.SPREADSHEET),
        (b"PK\x03\x04\x14\x00\x06\x00liste.csv", Fault.ARCHIVE),
        (b"\x1f\x8b\x08", Fault.ARCHIVE),
        (b"zoe@a.example\0", Fault.BINARY),
        (b"Zoe\nGil\n", Fault.NO_ADDRESS),
        (b"a@b.example\n" * (people_lists.MOST_LINES + 1), Fault.TOO_LONG),
        (b"a@b.example;" * (people_lists.MOST_LINES + 1), Fault.TOO_LONG),
        (b"x" * (people_lists.MOST_BYTES + 1), Fault.TOO_BIG),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(raw, fault):
    with pytest.raises(Unreadable) as refused:
        read(raw)
    assert refused.value.fault is fault


def outcome(text, rules=AGENTS, *, kept=False, **around):
    (judged,) = judge(rules, [Row(1, text, kept)], Circumstances(**around))
    return judged.outcome, judged.detail


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zoe@ac-rouen.fr", (Outcome.READY, "")),
        ("lea@asso.example", (Outcome.READY, "")),
        ("lea.asso.example", (Outcome.NOT_AN_ADDRESS, "no_at")),
        ("=cmd|' /C calc'!A0", (Outcome.NOT_AN_ADDRESS, "no_at")),
        ("zoe@ac-ruen.fr", (Outcome.TYPO, "zoe@ac-rouen.fr")),
        ("paul@gmial.com", (Outcome.TYPO, "paul@gmail.com")),
        ("zoe@ac-caen.fr", (Outcome.SIBLING, "ac-rouen.fr")),
        ("zoe@аc-rouen.fr", (Outcome.LOOK_ALIKE, "xn--c-rouen-3fg.fr")),
    ],
)
def test_every_row_is_judged_by_the_rules(text, expected):
    assert outcome(text)[0] is expected[0]
    if expected[0] is not Outcome.LOOK_ALIKE:
        assert outcome(text)[1] == expected[1]
    else:
        assert outcome(text)[1].startswith("xn--")


def test_what_the_circumstances_say_decides_too():
    assert outcome("Zoe@ac-rouen.fr", own={"zoe@ac-rouen.fr"})[0] is Outcome.YOUR_OWN
    assert outcome("LEA@asso.example", invited={"lea@asso.example"})[0] is Outcome.ALREADY_INVITED
    assert outcome("lea@asso.example", room_takes_guests=False)[0] is Outcome.ROOM_CLOSED
    assert outcome("zoe@ac-rouen.fr", room_takes_guests=False)[0] is Outcome.READY
    assert outcome("lea@asso.example", CLOSED)[0] is Outcome.NOT_ACCEPTED
    assert outcome("paul@gmial.com", kept=True)[0] is Outcome.READY
    assert outcome("zoe@ac-ruen.fr", kept=True)[0] is Outcome.READY


def test_duplicates_are_found_by_the_canonical_form_and_mailboxes_warned_of():
    rows = [
        Row(2, "Lea@Asso.example"),
        Row(3, "lea@asso.example"),
        Row(4, "lea+gare@asso.example"),
        Row(5, "contact@asso.example"),
        Row(5, "contact@asso.example"),
    ]
    judged = judge(AGENTS, rows)
    assert [(each.outcome, each.detail, each.caution) for each in judged] == [
        (Outcome.READY, "", Caution.NONE),
        (Outcome.DUPLICATE, "2", Caution.NONE),
        (Outcome.READY, "2", Caution.SAME_MAILBOX),
        (Outcome.READY, "", Caution.SHARED_MAILBOX),
        (Outcome.DUPLICATE, "5", Caution.NONE),
    ]


@pytest.mark.parametrize("typed", ["gmial.com", "gmai.com", "gmaill.com", "gnail.com", "mail.com"])
def test_one_slip_of_the_hand_is_one(typed):
    assert is_one_slip(typed, "gmail.com")


@pytest.mark.parametrize("typed", ["gmail.com", "gmial.con", "hotmail.com", "gmail.co.uk"])
def test_two_slips_are_not_one(typed):
    assert not is_one_slip(typed, "gmail.com")
