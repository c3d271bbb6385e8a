"""What stands before the @ and is more than a name to some mail server, or looks so and is not.

By the trick: texts with the canonical form, or the reason they are refused for.
"""

from domain_rules.address_faults import AddressFault


def local_parts(reason: AddressFault, *texts: str, domain: str = "ac-rouen.example") -> list:
    """These before the @, each refused for this reason."""
    return [(f"{text}@{domain}", reason) for text in texts]


def taken(*texts: str, domain: str = "ac-rouen.example") -> list:
    """These before the @, each taken as it stands."""
    return [(f"{text}@{domain}", f"{text}@{domain}") for text in texts]


ROUTES = {
    "a relay reads the percent sign as an @: percent hack": local_parts(
        AddressFault.FOREIGN_SIGN,
        *("a%evil.com", "a%evil.com%other.example", "%evil.com", "a%", "%", "a%%evil.com", "%00"),
        *("a%40evil.com", "a%0d%0abcc", "x%y+tag", "camille.durand%evil.com"),
    ),
    "a relay reads the exclamation mark as a path of hosts: bang path": local_parts(
        AddressFault.FOREIGN_SIGN,
        *(
            "evil.com!a",
            "evil.com!b!a",
            "!a",
            "a!",
            "uunet!evil.com!a",
            "evil!a+tag",
            "a!b%evil.com",
        ),
    ),
    "a list of hosts before the address, or a group, or a comment": [
        *local_parts(AddressFault.NOT_AN_ADDRESS, "evil.com:a", "a;", "(a)b", "a(b)", "<a", "a>"),
        ("@evil.com,@other.example:a@ac-rouen.example", AddressFault.TWO_ATS),
        ("a@evil.com@ac-rouen.example.", AddressFault.TWO_ATS),
    ],
    "what the shell of an old mail server runs": local_parts(
        AddressFault.FOREIGN_SIGN,
        *("|sh", "a|b", "`id`", "${IFS}", "{a}", "a$b", "*", "a*", "?", "a?b", "^a", "a^b", "#!"),
    ),
    "an option or a file, not a name": local_parts(
        AddressFault.LEADING_SIGN, "-oq/tmp", "-a", "--", "-", "-f", "-x.camille", "-bs"
    ),
    "decoded by programs that read headers: an encoded word": local_parts(
        AddressFault.FOREIGN_SIGN,
        "=?utf-8?q?=61=62=63?=x",
        "=?utf-8?q?x=40evil.example=2c?=foo",
        "=?x?q?collab=40evil.example=3e=00?=foo",
        "=?utf-8?q?x=0d=0abcc=3ae=40evil.example=0d=0ay?=",
        "=?utf-8?q?x=0d=0a=0d=0a=3ch1=3ehi=3c/h1=3e?=",
        "=?UTF-8?B?eEBldmlsLmV4YW1wbGU=?=",
        "=?iso-8859-1?Q?x=40evil.example?=",
        "a.=?utf-8?q?b?=",
        "=?utf-8*fr?q?x?=",
        "=?us-ascii?q?=0a?=.a",
        "=?",
        "a=?b",
        "?=",
        "=?utf-7?q?+AEA-?=",
    ),
    "sender rewriting: the address of another host stands inside": local_parts(
        AddressFault.ROUTED_ONWARD,
        *("srs0=abcd=12=evil.com=a", "srs1=abcd=evil.com==abcd=12=a", "srs0+abcd+12+evil.com+a"),
        *("srs0-abcd-12-evil.com-a", "SRS0-x", "SRS1+x", "Srs0-abcd=12=evil.com=a", "srs1-"),
    ),
    "what Exchange makes of addresses that are not SMTP's": local_parts(
        AddressFault.ROUTED_ONWARD,
        *("imceaex-_o=evil", "IMCEASMTP-a+40evil+2ecom", "imceainvalid-a+40evil.com", "imcea-a"),
        *("imceamailto-a+40evil+2ecom", "IMCEAX400-c+3dfr", "imceafax-+2b331"),
    ),
    "tags against forged bounces, which the server behind takes off": local_parts(
        AddressFault.ROUTED_ONWARD, "prvs=0123abcdef=a", "PRVS=1=a", "msprvs1=18x=a", "btv1==abc==a"
    ),
    "an address of X.400": local_parts(
        AddressFault.ROUTED_ONWARD, "a/c=fr/", "a/c=fr/admd=atlas/", "x/o=rectorat/ou=a/"
    )
    + local_parts(
        AddressFault.LEADING_SIGN, "/c=fr/admd=atlas/o=rectorat/", "/etc/passwd", "/dev/null"
    ),
    "the return path of a list: an address with = for its @": local_parts(
        AddressFault.ROUTED_ONWARD,
        *(
            "list-return-a=evil.com",
            "list+a=evil.com",
            "a=evil.com",
            "a=b.evil.com",
            "a+caf_=b=evil.com",
        ),
        *("a=evil.com+tag", "bounces+1-a=evil.com", "a=1.2.3.4"),
        domain="asso.example",
    ),
    "a number of telephone or fax": local_parts(
        AddressFault.ROUTED_ONWARD,
        "fax=+33123456789",
        "sms=+33612345678",
        "FAX=+1/t33s=5",
        domain="asso.example",
    ),
    "a sign that only a rule opens at an agents' domain": local_parts(
        AddressFault.NOT_AT_THIS_DOMAIN,
        "=cmd",
        "r&d",
        "a#b",
        "~root",
        "a/b",
        "a=b",
        "a&b=c",
        "a~",
        "c=1+1",
    ),
    "the same signs before the @ of a guest": taken(
        "=cmd", "r&d", "a#b", "~root", "a/b", "a=b", "a~", "camille/durand", domain="asso.example"
    ),
    "odd, but one mailbox to every server": taken(
        *("a_b", "_a", "a-", "a--b", "'", "''", "o'", "'a'", "+", "a+", "a++b", "a+b+c", "a.b.c"),
        *(
            "srs0",
            "srs2-a",
            "xsrs0-a",
            "prvs",
            "imcea",
            "btv1",
            "owner-list",
            "list-request",
            "bounce",
        ),
        *("mailer-daemon", "root", "postmaster", "double-bounce", "0", "1.2", "a1", "list+confirm"),
        *("+aea-", "a+adw-", "x40evil.example", "evil.com", "www.evil.com", "a-at-evil.com"),
        *("camille.durand+evil.com", "nobody", "abuse", "bcc", "to", "cc+bcc"),
    ),
    "a letter that another program reads as an unaccented one": [
        *local_parts(
            AddressFault.NOT_ASCII_LOCAL,
            *(
                "ﬁona",
                "ſarah",
                "\u212aarl",
                "gro\u00df",
                "ª",
                "ﬂ",
                "ｆiona",
                "\u2170",
                "\u24d0",
                "𝐚",
            ),
            *("m\u0131ke", "ŉ", "\u01f0", "\u1e9e", "\u0130zmir", "½", "™", "㏂", "\u00b5", "ﬀ"),
        )
    ],
}
