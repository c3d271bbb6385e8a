"""Addresses as attackers, mail programs and tired people write them, and what becomes of them.

HOSTILE holds (text, expected, why): the canonical form, or the reason it is refused for, by the rules
below: agents at ac-rouen.example as most are, guests everywhere else.
"""

from typing import NamedTuple

from domain_rules.addresses import Reason
from domain_rules.rules import AccountClass, Kind, Rule, RuleSet

from .hostile_local_parts import ROUTES

CAMILLE = "camille.durand@ac-rouen.example"
AGENTS = RuleSet.compile(
    [
        Rule(
            *(Kind.DOMAIN, "ac-rouen.example", AccountClass.AGENT, "education.example"),
            requires_invite=False,
        ),
        Rule(Kind.DEFAULT, "", AccountClass.GUEST, "guests.example", requires_invite=True),
    ]
)


class Hostile(NamedTuple):
    """What is typed, what becomes of it, and the trick."""

    text: str
    expected: str | Reason
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
        (f"camille.durand@ac-rouen.example{sign}", Reason.CONTROL_CHARACTER)
        for sign in "\n\r\t\0\x0b\x0c\x1b\x1f\x7f\x85\x9f\u2028\u2029"
    ),
    *(
        (f"{sign}camille.durand@ac-rouen.example", Reason.CONTROL_CHARACTER)
        for sign in "\n\r\t\0\x1c\x85\u2028"
    ),
    ("camille.durand@ac-rouen.example\r\n", Reason.CONTROL_CHARACTER),
    ("camille.durand@ac-rouen.example\r\nBcc: a@evil.com", Reason.CONTROL_CHARACTER),
    ("camille\ndurand@ac-rouen.example", Reason.CONTROL_CHARACTER),
    ("camille.durand@ac-rouen.example\0.evil.com", Reason.CONTROL_CHARACTER),
    ("camille.durand\t@ac-rouen.example", Reason.CONTROL_CHARACTER),
    ("camille.durand@\tac-rouen.example", Reason.CONTROL_CHARACTER),
    *(
        (f"camille.{sign}durand@ac-rouen.example", Reason.CONTROL_CHARACTER)
        for sign in "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    ),
    ("a@ac-rouen.\u202eelpmaxe", Reason.CONTROL_CHARACTER),
]

ATS = [
    ("", Reason.EMPTY),
    (" ", Reason.EMPTY),
    ("\u00a0\u200b", Reason.EMPTY),
    ("@", Reason.EMPTY),
    ("@ac-rouen.example", Reason.EMPTY),
    ("camille.durand@", Reason.EMPTY),
    ("camille.durand", Reason.NO_AT),
    ("ac-rouen.example", Reason.NO_AT),
    ("camille.durand＠ac-rouen.example", Reason.NO_AT),
    ("camille.durand﹫ac-rouen.example", Reason.NO_AT),
    ("camille.durand(at)ac-rouen.example", Reason.NO_AT),
    ("a@evil.com@ac-rouen.example", Reason.TWO_ATS),
    ("a@evil.com>@ac-rouen.example", Reason.TWO_ATS),
    ("<a@evil.com>@ac-rouen.example", Reason.TWO_ATS),
    ("a@evil.com,@ac-rouen.example", Reason.TWO_ATS),
    ("a@ac-rouen.example@evil.com", Reason.TWO_ATS),
    ("a@@ac-rouen.example", Reason.TWO_ATS),
    ("a@evil.com a@ac-rouen.example", Reason.TWO_ATS),
    ("a@evil.com;a@ac-rouen.example", Reason.TWO_ATS),
    ("@evil.com:a@ac-rouen.example", Reason.TWO_ATS),
    ("a@evil.com%00@ac-rouen.example", Reason.TWO_ATS),
    ('"a@evil.com"@ac-rouen.example', Reason.QUOTED),
    ('"a"@ac-rouen.example', Reason.QUOTED),
    ('"a b"@ac-rouen.example', Reason.QUOTED),
    ('"a\\"@evil.com"@ac-rouen.example', Reason.QUOTED),
    ('"Camille" <a@ac-rouen.example>', Reason.QUOTED),
    ('a"b@ac-rouen.example', Reason.QUOTED),
    ('a@ac-rouen.example"', Reason.QUOTED),
]

DECORATED = [
    ("<a@ac-rouen.example>", Reason.NOT_AN_ADDRESS),
    ("Camille <a@ac-rouen.example>", Reason.SPACE_INSIDE),
    ("Camille<a@ac-rouen.example>", Reason.NOT_AN_ADDRESS),
    ("mailto:a@ac-rouen.example", Reason.NOT_AN_ADDRESS),
    ("MAILTO:a@ac-rouen.example", Reason.NOT_AN_ADDRESS),
    ("a(comment)@ac-rouen.example", Reason.NOT_AN_ADDRESS),
    ("(comment)a@ac-rouen.example", Reason.NOT_AN_ADDRESS),
    ("group:a@ac-rouen.example;", Reason.NOT_AN_ADDRESS),
    ("a,b@ac-rouen.example", Reason.NOT_AN_ADDRESS),
    ("a;b@ac-rouen.example", Reason.NOT_AN_ADDRESS),
    ("a\\b@ac-rouen.example", Reason.NOT_AN_ADDRESS),
    ("a[1]@ac-rouen.example", Reason.NOT_AN_ADDRESS),
    (".a@ac-rouen.example", Reason.NOT_AN_ADDRESS),
    ("a.@ac-rouen.example", Reason.NOT_AN_ADDRESS),
    ("a..b@ac-rouen.example", Reason.NOT_AN_ADDRESS),
    ("a b@ac-rouen.example", Reason.SPACE_INSIDE),
    ("a @ac-rouen.example", Reason.SPACE_INSIDE),
    ("a@ ac-rouen.example", Reason.SPACE_INSIDE),
    ("a@ac-rouen .example", Reason.SPACE_INSIDE),
    ("a\u00a0b@ac-rouen.example", Reason.SPACE_INSIDE),
    ("a\u2003@ac-rouen.example", Reason.SPACE_INSIDE),
    ("a@ac-rouen.example evil.com", Reason.SPACE_INSIDE),
    ("\ud800@ac-rouen.example", Reason.NOT_AN_ADDRESS),
    ("a@ac-rouen\udfff.example", Reason.NOT_AN_ADDRESS),
]

NOT_ASCII = [
    ("саmille.durand@ac-rouen.example", Reason.NOT_ASCII_LOCAL),
    ("cаmille.durand@ac-rouen.example", Reason.NOT_ASCII_LOCAL),
    ("camille.durаnd@ac-rouen.example", Reason.NOT_ASCII_LOCAL),
    ("\u212aelly@ac-rouen.example", Reason.NOT_ASCII_LOCAL),
    ("ſimon@ac-rouen.example", Reason.NOT_ASCII_LOCAL),
    ("hélène@ac-rouen.example", Reason.NOT_ASCII_LOCAL),
    ("he\u0301le\u0300ne@ac-rouen.example", Reason.NOT_ASCII_LOCAL),
    ("ｃamille@ac-rouen.example", Reason.NOT_ASCII_LOCAL),
    ("ﬁlip@ac-rouen.example", Reason.NOT_ASCII_LOCAL),
    ("straße@ac-rouen.example", Reason.NOT_ASCII_LOCAL),
    ("a\u037eb@ac-rouen.example", Reason.NOT_ASCII_LOCAL),
    ("a＠evil.com@ac-rouen.example", Reason.NOT_ASCII_LOCAL),
    ("camille\u3002durand@ac-rouen.example", Reason.NOT_ASCII_LOCAL),
    ("camille\u3164@ac-rouen.example", Reason.NOT_ASCII_LOCAL),
    ("😀@ac-rouen.example", Reason.NOT_ASCII_LOCAL),
    ("ı@ac-rouen.example", Reason.NOT_ASCII_LOCAL),
    ("İ@ac-rouen.example", Reason.NOT_ASCII_LOCAL),
]

DOMAINS = [
    ("a@127.0.0.1", Reason.IP_ADDRESS),
    ("a@[127.0.0.1]", Reason.IP_ADDRESS),
    ("a@[IPv6:::1]", Reason.IP_ADDRESS),
    ("a@::1", Reason.IP_ADDRESS),
    ("a@2001:db8::1", Reason.IP_ADDRESS),
    ("a@127\u30020.0.1", Reason.IP_ADDRESS),
    ("a@[ac-rouen.example", Reason.IP_ADDRESS),
    ("a@127.1", Reason.NUMERIC_TOP_LABEL),
    ("a@1.2.3.4.5", Reason.NUMERIC_TOP_LABEL),
    ("a@0x7f.1", Reason.NUMERIC_TOP_LABEL),
    ("a@999.999.999.999", Reason.NUMERIC_TOP_LABEL),
    ("a@１２７.0.0.１", Reason.NUMERIC_TOP_LABEL),
    ("a@ac-rouen.42", Reason.NUMERIC_TOP_LABEL),
    ("a@0x7f000001", Reason.ONE_LABEL),
    ("a@2130706433", Reason.ONE_LABEL),
    ("a@localhost", Reason.ONE_LABEL),
    ("a@example", Reason.ONE_LABEL),
    ("a@fr", Reason.ONE_LABEL),
    ("a@ac-rouen.example.", Reason.TRAILING_DOT),
    ("a@ac-rouen.example..", Reason.TRAILING_DOT),
    ("a@ac-rouen.example\u3002", Reason.TRAILING_DOT),
    ("a@fr.", Reason.TRAILING_DOT),
    ("a@.ac-rouen.example", Reason.EMPTY_LABEL),
    ("a@ac-rouen..example", Reason.EMPTY_LABEL),
    ("a@ac-rouen.\u3002example", Reason.EMPTY_LABEL),
    ("a@.", Reason.EMPTY_LABEL),
    ("a@...", Reason.EMPTY_LABEL),
    ("a@-ac-rouen.example", Reason.NOT_A_DOMAIN),
    ("a@ac-rouen-.example", Reason.NOT_A_DOMAIN),
    ("a@ac_rouen.example", Reason.NOT_A_DOMAIN),
    ("a@ac--rouen.example", Reason.NOT_A_DOMAIN),
    ("a@*.ac-rouen.example", Reason.NOT_A_DOMAIN),
    ("a@%.example", Reason.NOT_A_DOMAIN),
    ("a@ac-rouen.example/evil.com", Reason.NOT_A_DOMAIN),
    ("a@ac-rouen.example#evil.com", Reason.NOT_A_DOMAIN),
    ("a@ac-rouen.example?x=1", Reason.NOT_A_DOMAIN),
    ("a@ac-rouen.example:25", Reason.NOT_A_DOMAIN),
    ("a@ac-rouen.example>", Reason.NOT_A_DOMAIN),
    ("a@ac-rouen.example,evil.com", Reason.NOT_A_DOMAIN),
    ("a@ac-rouen.example;evil.com", Reason.NOT_A_DOMAIN),
    ("a@ac-rouen.example(evil.com)", Reason.NOT_A_DOMAIN),
    ("a@ac-rouen.example\\evil.com", Reason.NOT_A_DOMAIN),
    ("a@evil＠ac-rouen.example", Reason.NOT_A_DOMAIN),
    ("a@½.example", Reason.NOT_A_DOMAIN),
    ("a@℀.example", Reason.NOT_A_DOMAIN),
    ("a@ac\u2044rouen.example", Reason.NOT_A_DOMAIN),
    ("a@ac-rouen\u2024example", Reason.ONE_LABEL),
    ("a@\u0301ac-rouen.example", Reason.NOT_A_DOMAIN),
    ("a@xn--.example", Reason.NOT_A_DOMAIN),
    ("a@xn--a.example", Reason.NOT_A_DOMAIN),
    ("a@xn--abc-.example", Reason.NOT_A_DOMAIN),
    ("a@xn--ac-rouen-.example", Reason.NOT_A_DOMAIN),
    ("a@xn--99999999.example", Reason.NOT_A_DOMAIN),
    ("a@1.xn--4dbc.example", Reason.NOT_A_DOMAIN),
    ("a@😀.example", Reason.NOT_A_DOMAIN),
    ("a@ac-rouen.test", Reason.RESERVED),
    ("a@ac-rouen.localhost", Reason.RESERVED),
    ("a@ac-rouen.LOCAL", Reason.RESERVED),
    ("a@ac-rouen.invalid", Reason.RESERVED),
    ("a@ac-rouen.onion", Reason.RESERVED),
    ("a@1.0.0.127.in-addr.arpa", Reason.RESERVED),
]

LENGTHS = [
    ("a" * 65 + "@ac-rouen.example", Reason.LOCAL_TOO_LONG),
    ("a@" + "b" * 64 + ".example", Reason.TOO_LONG),
    ("a@" + "b." * 130 + "example", Reason.TOO_LONG),
    ("a" * 64 + "@" + "b" * 60 + "." + "c" * 60 + "." + "d" * 60 + ".example", Reason.TOO_LONG),
    ("a@" + "é" * 60 + ".example", Reason.NOT_A_DOMAIN),
    ("a" * 1_000_000, Reason.TOO_LONG),
    ("@" * 1_000_000, Reason.TOO_LONG),
    ("a@" + "b." * 500_000 + "example", Reason.TOO_LONG),
    ('"' + "\\" * 1_000_000 + '"@ac-rouen.example', Reason.TOO_LONG),
    (" " * 1_000_000 + "a@ac-rouen.example", Reason.TOO_LONG),
    ("a" + "\u0301" * 1_000_000 + "@ac-rouen.example", Reason.TOO_LONG),
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
