"""Addresses as attackers, mail programs and tired people write them, and what becomes of them.

HOSTILE holds (text, expected, why): the canonical form, or the reason it is refused for, by the rules
below: agents at ac-rouen.example as most are, guests everywhere else.
"""

from typing import NamedTuple

from domain_rules.address_faults import AddressFault
from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet

from .hostile_local_parts import ROUTES

CAMILLE = "camille.durand@ac-rouen.example"
AGENTS = RuleSet.compile(
    [
        Rule(
            *(RuleKind.DOMAIN, "ac-rouen.example", AccountClass.AGENT, "education.example"),
            requires_invite=False,
        ),
        Rule(RuleKind.DEFAULT, "", AccountClass.GUEST, "guests.example", requires_invite=True),
    ]
)


class Hostile(NamedTuple):
    """What is typed, what becomes of it, and the trick."""

    text: str
    expected: str | AddressFault
    why: str


ACCEPTED = [
    ("camille.durand@ac-rouen.example", CAMILLE),
    ("CAMILLE.DURAND@AC-ROUEN.EXAMPLE", CAMILLE),
    ("Camille.Durand@Ac-Rouen.Example", CAMILLE),
    ("  camille.durand@ac-rouen.example  ", CAMILLE),
    ("\u00a0camille.durand@ac-rouen.example\u00a0", CAMILLE),
    ("\u202fcamille.durand@ac-rouen.example", CAMILLE),
    ("\u3000camille.durand@ac-rouen.example", CAMILLE),
    ("\ufeffcamille.durand@ac-rouen.example", CAMILLE),
    ("\u200bcamille.durand@ac-rouen.example\u200b", CAMILLE),
    (" \u200b camille.durand@ac-rouen.example", CAMILLE),
    ("camille\u00ad.durand@ac-rouen.example", CAMILLE),
    ("camille.durand@ac\u00ad-rouen.example", CAMILLE),
    ("camille.\u200ddurand@ac-rouen.example", CAMILLE),
    ("camille.durand\u200c@ac-rouen.example", CAMILLE),
    ("camille.durand@ac-\u2060rouen.example", CAMILLE),
    ("camille.durand@ac-rouen\u3002example", CAMILLE),
    ("camille.durand@ac-rouen\uff0eexample", CAMILLE),
    ("camille.durand@ac-rouen\uff61example", CAMILLE),
    ("camille.durand@ａｃ-rouen.example", CAMILLE),
    ("camille.durand@ac-rouen\ufe0f.example", CAMILLE),
    ("camille.durand@ac\uff0drouen.example", CAMILLE),
    ("camille.durand@\u212bc.example", "camille.durand@xn--c-1fa.example"),
    ("a@\u212aelvin.example", "a@kelvin.example"),
    ("a@ſocial.example", "a@social.example"),
    ("a+b@ac-rouen.example", "a+b@ac-rouen.example"),
    ("+a@ac-rouen.example", "+a@ac-rouen.example"),
    ("o'neil@ac-rouen.example", "o'neil@ac-rouen.example"),
    ("a@evil-ac-rouen.example", "a@evil-ac-rouen.example"),
    ("a@ac-rouen.example.evil.com", "a@ac-rouen.example.evil.com"),
    ("a@acxrouen.example", "a@acxrouen.example"),
    ("a@аc-rouen.example", "a@xn--c-rouen-1fg.example"),
    ("a@xn--c-rouen-1fg.example", "a@xn--c-rouen-1fg.example"),
    ("a@lucé.example", "a@xn--luc-dma.example"),
    ("a@luce\u0301.example", "a@xn--luc-dma.example"),
    ("a@LUCÉ.example", "a@xn--luc-dma.example"),
    ("a@xn--luc-dma.example", "a@xn--luc-dma.example"),
    ("a@XN--LUC-DMA.EXAMPLE", "a@xn--luc-dma.example"),
    ("a@faß.example", "a@xn--fa-hia.example"),
    ("a@0-0.example", "a@0-0.example"),
    ("a@1.2.example", "a@1.2.example"),
    ("a@" + "b" * 63 + ".example", "a@" + "b" * 63 + ".example"),
    ("a" * 64 + "@ac-rouen.example", "a" * 64 + "@ac-rouen.example"),
]

CONTROL = [
    *(
        (f"camille.durand@ac-rouen.example{sign}", AddressFault.CONTROL_CHARACTER)
        for sign in "\n\r\t\0\x0b\x0c\x1b\x1f\x7f\x85\x9f\u2028\u2029"
    ),
    *(
        (f"{sign}camille.durand@ac-rouen.example", AddressFault.CONTROL_CHARACTER)
        for sign in "\n\r\t\0\x1c\x85\u2028"
    ),
    ("camille.durand@ac-rouen.example\r\n", AddressFault.CONTROL_CHARACTER),
    ("camille.durand@ac-rouen.example\r\nBcc: a@evil.com", AddressFault.CONTROL_CHARACTER),
    ("camille\ndurand@ac-rouen.example", AddressFault.CONTROL_CHARACTER),
    ("camille.durand@ac-rouen.example\0.evil.com", AddressFault.CONTROL_CHARACTER),
    ("camille.durand\t@ac-rouen.example", AddressFault.CONTROL_CHARACTER),
    ("camille.durand@\tac-rouen.example", AddressFault.CONTROL_CHARACTER),
    *(
        (f"camille.{sign}durand@ac-rouen.example", AddressFault.CONTROL_CHARACTER)
        for sign in "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    ),
    ("a@ac-rouen.\u202eelpmaxe", AddressFault.CONTROL_CHARACTER),
]

ATS = [
    ("", AddressFault.EMPTY),
    (" ", AddressFault.EMPTY),
    ("\u00a0\u200b", AddressFault.EMPTY),
    ("@", AddressFault.EMPTY),
    ("@ac-rouen.example", AddressFault.EMPTY),
    ("camille.durand@", AddressFault.EMPTY),
    ("camille.durand", AddressFault.NO_AT),
    ("ac-rouen.example", AddressFault.NO_AT),
    ("camille.durand＠ac-rouen.example", AddressFault.NO_AT),
    ("camille.durand﹫ac-rouen.example", AddressFault.NO_AT),
    ("camille.durand(at)ac-rouen.example", AddressFault.NO_AT),
    ("a@evil.com@ac-rouen.example", AddressFault.TWO_ATS),
    ("a@evil.com>@ac-rouen.example", AddressFault.TWO_ATS),
    ("<a@evil.com>@ac-rouen.example", AddressFault.TWO_ATS),
    ("a@evil.com,@ac-rouen.example", AddressFault.TWO_ATS),
    ("a@ac-rouen.example@evil.com", AddressFault.TWO_ATS),
    ("a@@ac-rouen.example", AddressFault.TWO_ATS),
    ("a@evil.com a@ac-rouen.example", AddressFault.TWO_ATS),
    ("a@evil.com;a@ac-rouen.example", AddressFault.TWO_ATS),
    ("@evil.com:a@ac-rouen.example", AddressFault.TWO_ATS),
    ("a@evil.com%00@ac-rouen.example", AddressFault.TWO_ATS),
    ('"a@evil.com"@ac-rouen.example', AddressFault.QUOTED),
    ('"a"@ac-rouen.example', AddressFault.QUOTED),
    ('"a b"@ac-rouen.example', AddressFault.QUOTED),
    ('"a\\"@evil.com"@ac-rouen.example', AddressFault.QUOTED),
    ('"Camille" <a@ac-rouen.example>', AddressFault.QUOTED),
    ('a"b@ac-rouen.example', AddressFault.QUOTED),
    ('a@ac-rouen.example"', AddressFault.QUOTED),
]

DECORATED = [
    ("<a@ac-rouen.example>", AddressFault.NOT_AN_ADDRESS),
    ("Camille <a@ac-rouen.example>", AddressFault.SPACE_INSIDE),
    ("Camille<a@ac-rouen.example>", AddressFault.NOT_AN_ADDRESS),
    ("mailto:a@ac-rouen.example", AddressFault.NOT_AN_ADDRESS),
    ("MAILTO:a@ac-rouen.example", AddressFault.NOT_AN_ADDRESS),
    ("a(comment)@ac-rouen.example", AddressFault.NOT_AN_ADDRESS),
    ("(comment)a@ac-rouen.example", AddressFault.NOT_AN_ADDRESS),
    ("group:a@ac-rouen.example;", AddressFault.NOT_AN_ADDRESS),
    ("a,b@ac-rouen.example", AddressFault.NOT_AN_ADDRESS),
    ("a;b@ac-rouen.example", AddressFault.NOT_AN_ADDRESS),
    ("a\\b@ac-rouen.example", AddressFault.NOT_AN_ADDRESS),
    ("a[1]@ac-rouen.example", AddressFault.NOT_AN_ADDRESS),
    (".a@ac-rouen.example", AddressFault.NOT_AN_ADDRESS),
    ("a.@ac-rouen.example", AddressFault.NOT_AN_ADDRESS),
    ("a..b@ac-rouen.example", AddressFault.NOT_AN_ADDRESS),
    ("a b@ac-rouen.example", AddressFault.SPACE_INSIDE),
    ("a @ac-rouen.example", AddressFault.SPACE_INSIDE),
    ("a@ ac-rouen.example", AddressFault.SPACE_INSIDE),
    ("a@ac-rouen .example", AddressFault.SPACE_INSIDE),
    ("a\u00a0b@ac-rouen.example", AddressFault.SPACE_INSIDE),
    ("a\u2003@ac-rouen.example", AddressFault.SPACE_INSIDE),
    ("a@ac-rouen.example evil.com", AddressFault.SPACE_INSIDE),
    ("\ud800@ac-rouen.example", AddressFault.NOT_AN_ADDRESS),
    ("a@ac-rouen\udfff.example", AddressFault.NOT_AN_ADDRESS),
]

NOT_ASCII = [
    ("саmille.durand@ac-rouen.example", AddressFault.NOT_ASCII_LOCAL),
    ("cаmille.durand@ac-rouen.example", AddressFault.NOT_ASCII_LOCAL),
    ("camille.durаnd@ac-rouen.example", AddressFault.NOT_ASCII_LOCAL),
    ("\u212aelly@ac-rouen.example", AddressFault.NOT_ASCII_LOCAL),
    ("ſimon@ac-rouen.example", AddressFault.NOT_ASCII_LOCAL),
    ("hélène@ac-rouen.example", AddressFault.NOT_ASCII_LOCAL),
    ("he\u0301le\u0300ne@ac-rouen.example", AddressFault.NOT_ASCII_LOCAL),
    ("ｃamille@ac-rouen.example", AddressFault.NOT_ASCII_LOCAL),
    ("ﬁlip@ac-rouen.example", AddressFault.NOT_ASCII_LOCAL),
    ("straße@ac-rouen.example", AddressFault.NOT_ASCII_LOCAL),
    ("a\u037eb@ac-rouen.example", AddressFault.NOT_ASCII_LOCAL),
    ("a＠evil.com@ac-rouen.example", AddressFault.NOT_ASCII_LOCAL),
    ("camille\u3002durand@ac-rouen.example", AddressFault.NOT_ASCII_LOCAL),
    ("camille\u3164@ac-rouen.example", AddressFault.NOT_ASCII_LOCAL),
    ("😀@ac-rouen.example", AddressFault.NOT_ASCII_LOCAL),
    ("ı@ac-rouen.example", AddressFault.NOT_ASCII_LOCAL),
    ("İ@ac-rouen.example", AddressFault.NOT_ASCII_LOCAL),
]

DOMAINS = [
    ("a@127.0.0.1", AddressFault.IP_ADDRESS),
    ("a@[127.0.0.1]", AddressFault.IP_ADDRESS),
    ("a@[IPv6:::1]", AddressFault.IP_ADDRESS),
    ("a@::1", AddressFault.IP_ADDRESS),
    ("a@2001:db8::1", AddressFault.IP_ADDRESS),
    ("a@127\u30020.0.1", AddressFault.IP_ADDRESS),
    ("a@[ac-rouen.example", AddressFault.IP_ADDRESS),
    ("a@127.1", AddressFault.NUMERIC_TOP_LABEL),
    ("a@1.2.3.4.5", AddressFault.NUMERIC_TOP_LABEL),
    ("a@0x7f.1", AddressFault.NUMERIC_TOP_LABEL),
    ("a@999.999.999.999", AddressFault.NUMERIC_TOP_LABEL),
    ("a@１２７.0.0.１", AddressFault.NUMERIC_TOP_LABEL),
    ("a@ac-rouen.42", AddressFault.NUMERIC_TOP_LABEL),
    ("a@0x7f000001", AddressFault.ONE_LABEL),
    ("a@2130706433", AddressFault.ONE_LABEL),
    ("a@localhost", AddressFault.ONE_LABEL),
    ("a@example", AddressFault.ONE_LABEL),
    ("a@fr", AddressFault.ONE_LABEL),
    ("a@ac-rouen.example.", AddressFault.TRAILING_DOT),
    ("a@ac-rouen.example..", AddressFault.TRAILING_DOT),
    ("a@ac-rouen.example\u3002", AddressFault.TRAILING_DOT),
    ("a@fr.", AddressFault.TRAILING_DOT),
    ("a@.ac-rouen.example", AddressFault.EMPTY_LABEL),
    ("a@ac-rouen..example", AddressFault.EMPTY_LABEL),
    ("a@ac-rouen.\u3002example", AddressFault.EMPTY_LABEL),
    ("a@.", AddressFault.EMPTY_LABEL),
    ("a@...", AddressFault.EMPTY_LABEL),
    ("a@-ac-rouen.example", AddressFault.NOT_A_DOMAIN),
    ("a@ac-rouen-.example", AddressFault.NOT_A_DOMAIN),
    ("a@ac_rouen.example", AddressFault.NOT_A_DOMAIN),
    ("a@ac--rouen.example", AddressFault.NOT_A_DOMAIN),
    ("a@*.ac-rouen.example", AddressFault.NOT_A_DOMAIN),
    ("a@%.example", AddressFault.NOT_A_DOMAIN),
    ("a@ac-rouen.example/evil.com", AddressFault.NOT_A_DOMAIN),
    ("a@ac-rouen.example#evil.com", AddressFault.NOT_A_DOMAIN),
    ("a@ac-rouen.example?x=1", AddressFault.NOT_A_DOMAIN),
    ("a@ac-rouen.example:25", AddressFault.NOT_A_DOMAIN),
    ("a@ac-rouen.example>", AddressFault.NOT_A_DOMAIN),
    ("a@ac-rouen.example,evil.com", AddressFault.NOT_A_DOMAIN),
    ("a@ac-rouen.example;evil.com", AddressFault.NOT_A_DOMAIN),
    ("a@ac-rouen.example(evil.com)", AddressFault.NOT_A_DOMAIN),
    ("a@ac-rouen.example\\evil.com", AddressFault.NOT_A_DOMAIN),
    ("a@evil＠ac-rouen.example", AddressFault.NOT_A_DOMAIN),
    ("a@½.example", AddressFault.NOT_A_DOMAIN),
    ("a@℀.example", AddressFault.NOT_A_DOMAIN),
    ("a@ac\u2044rouen.example", AddressFault.NOT_A_DOMAIN),
    ("a@ac-rouen\u2024example", AddressFault.ONE_LABEL),
    ("a@\u0301ac-rouen.example", AddressFault.NOT_A_DOMAIN),
    ("a@xn--.example", AddressFault.NOT_A_DOMAIN),
    ("a@xn--a.example", AddressFault.NOT_A_DOMAIN),
    ("a@xn--abc-.example", AddressFault.NOT_A_DOMAIN),
    ("a@xn--ac-rouen-.example", AddressFault.NOT_A_DOMAIN),
    ("a@xn--99999999.example", AddressFault.NOT_A_DOMAIN),
    ("a@1.xn--4dbc.example", AddressFault.NOT_A_DOMAIN),
    ("a@😀.example", AddressFault.NOT_A_DOMAIN),
    ("a@ac-rouen.test", AddressFault.RESERVED),
    ("a@ac-rouen.localhost", AddressFault.RESERVED),
    ("a@ac-rouen.LOCAL", AddressFault.RESERVED),
    ("a@ac-rouen.invalid", AddressFault.RESERVED),
    ("a@ac-rouen.onion", AddressFault.RESERVED),
    ("a@1.0.0.127.in-addr.arpa", AddressFault.RESERVED),
]

LENGTHS = [
    ("a" * 65 + "@ac-rouen.example", AddressFault.LOCAL_TOO_LONG),
    ("a@" + "b" * 64 + ".example", AddressFault.TOO_LONG),
    ("a@" + "b." * 130 + "example", AddressFault.TOO_LONG),
    (
        "a" * 64 + "@" + "b" * 60 + "." + "c" * 60 + "." + "d" * 60 + ".example",
        AddressFault.TOO_LONG,
    ),
    ("a@" + "é" * 60 + ".example", AddressFault.NOT_A_DOMAIN),
    ("a" * 1_000_000, AddressFault.TOO_LONG),
    ("@" * 1_000_000, AddressFault.TOO_LONG),
    ("a@" + "b." * 500_000 + "example", AddressFault.TOO_LONG),
    ('"' + "\\" * 1_000_000 + '"@ac-rouen.example', AddressFault.TOO_LONG),
    (" " * 1_000_000 + "a@ac-rouen.example", AddressFault.TOO_LONG),
    ("a" + "\u0301" * 1_000_000 + "@ac-rouen.example", AddressFault.TOO_LONG),
]

HOSTILE = [
    Hostile(text, expected, why)
    for why, entries in {
        "one address, however it is typed or pasted": ACCEPTED,
        "a character that ends a line, or hides or turns what follows": CONTROL,
        "not one @ between two parts": ATS,
        "more than an address: a name, a comment, a list": DECORATED,
        "accents and look-alikes before the @": NOT_ASCII,
        "no domain of the internet": DOMAINS,
        "too long, or long enough to be slow": LENGTHS,
        **ROUTES,
    }.items()
    for text, expected in entries
]
