"""Local parts made up by the thousand: what people type, what attackers try, what lies between.

Counted through, not drawn: the same ones on every machine, whatever else is tested beside them.
"""

from collections.abc import Iterator
from random import Random

SIGNS = "._+-'=&#~/%!|\\`\"<>(),;:[]@?*$^{} \t\r\n\0"
LETTERS = "abcxyzABCXYZ0189"
FOREIGN = "éèçüñøæœßſﬁKİıａºαβσςΣЖя文あア한עאصกำ😀\u0301\u0345\u00ad\u200d\u202e\u037e\u1fef\u3164"
WORDS = (
    *("camille", "durand", "o'neil", "srs0", "srs1", "SRS0", "prvs", "msprvs1", "btv1", "imcea"),
    *("IMCEAEX-", "imceasmtp-", "evil.example", "evil", "x40", "=40", "=?utf-8?q?", "?=", "=0d=0a"),
    *("%40", "%evil.example", "evil.example!", "@evil.example:", "/c=fr/", "/o=rectorat/", "owner"),
    *(
        "=evil.example",
        "+tag",
        "fax=+331",
        "-oQ/tmp",
        "|sh",
        "bcc:",
        "&",
        "#",
        "~root",
        "..",
        "request",
    ),
    *("=?x?b?", "+AEA-", "\r\nBcc: eve@evil.example", "hélène", "ﬁona", "ſarah", "straße", "Kelly"),
)


def made(number: int, *, seed: int = 0) -> Iterator[str]:
    """This many local parts, from plain to hostile; some stand there twice."""
    random = Random(seed)
    pieces = (list(LETTERS), list(SIGNS), list(FOREIGN), list(WORDS))
    # Mostly plain, so that many are taken; each kind on its own and mixed with all others.
    mixes = ((12, 1, 0, 0), (12, 1, 0, 1), (6, 2, 1, 1), (2, 1, 3, 1), (1, 1, 0, 4))
    for turn in range(number):
        weights = mixes[turn % len(mixes)]
        length = random.randint(1, 12)
        kinds = random.choices(pieces, weights, k=length)
        yield "".join(map(random.choice, kinds))
