"""Measures what is only read: versions, hash_details and /info, beside constants and peers."""

from collections.abc import Iterator, Mapping

from . import served
from .comparing import cpu_to, figures, growth, rate_to
from .filling import RULES, accounts_of
from .installation import ACCOUNTS, FEW, MANY, installation, token_of
from .load import Load, Measured, Request, in_turn, write
from .rows import Row
from .sydent import sydent

INFO = "/_matrix/identity/api/v1/info?medium=email&address=ana@"
EARLY, LATE, NONE = "d0.example", f"d{RULES - 1}.example", "elsewhere.org"
FEW_PATTERNS, MANY_PATTERNS = served.PATTERNS


def versions() -> Iterator[Row]:
    """GET versions: no more than Flask itself costs."""
    servers = installation()
    asked = write(servers.folder / "versions", [Request("GET", "/_matrix/identity/versions")])
    found = in_turn(
        {
            "granian": Load(servers.guichet(), asked),
            "gunicorn": Load(servers.guichet("gunicorn"), asked),
            **_constants(),
            "Sydent": Load(sydent(), asked),
        }
    )
    yield from figures("versions", found)
    yield from _to_constants("versions", found, at_least=0.9)
    yield rate_to("versions, to Sydent", found["granian"], found["Sydent"], at_least=1.2)


def hash_details() -> Iterator[Row]:
    """GET hash_details: by one account again and again, and by many, whom no memory can hold."""
    servers = installation()
    every = [
        Request("GET", "/_matrix/identity/v2/hash_details", token_of(number))
        for number in range(accounts_of(MANY))
    ]
    one, many, all_of_many = (
        write(servers.folder / f"hash_details of {len(asked)}", asked)
        for asked in (every[:1], every[:ACCOUNTS], every)
    )
    found = in_turn(
        {
            "granian": Load(servers.guichet(), one),
            "granian, many accounts": Load(servers.guichet(), many),
            f"granian, many accounts, {MANY:,}": Load(servers.guichet(size=MANY), all_of_many),
            "gunicorn": Load(servers.guichet("gunicorn"), one),
            **_constants(),
            "Sydent": Load(sydent(), many),
        }
    )
    yield from figures("hash_details", found)
    yield from _to_constants("hash_details", found, at_least=0.5)
    yield rate_to("hash_details, to Sydent", found["granian"], found["Sydent"], at_least=1)
    yield rate_to(
        "hash_details of many accounts, to Sydent", found["granian, many accounts"], found["Sydent"]
    )
    yield growth(
        f"hash_details of many accounts among {MANY:,} associations, to {FEW:,}, CPU",
        *(found[f"granian, many accounts, {MANY:,}"], found["granian, many accounts"]),
    )


def info() -> Iterator[Row]:
    """GET /info with 33,000 rules, beside patterns in order on the same server."""
    servers = installation()
    anchors = servers.anchors()

    def of(domain: str) -> Load:
        asked = [Request("GET", INFO + domain)]
        return Load(servers.guichet(), write(servers.folder / f"info {domain}", asked))

    def patterns(size: int, domain: str) -> Load:
        asked = [Request("GET", f"/patterns/{size}?address=ana@{domain}")]
        return Load(anchors, write(servers.folder / f"patterns {size} {domain}", asked))

    found = in_turn(
        {
            "early": of(EARLY),
            "late": of(LATE),
            "none": of(NONE),
            "late, on gunicorn": Load(servers.guichet("gunicorn"), servers.folder / f"info {LATE}"),
            **_constants(),
            "as Tchap does it, 300 patterns in order, early": patterns(FEW_PATTERNS, EARLY),
            "as Tchap does it, 3,000 patterns in order, late": patterns(
                MANY_PATTERNS, f"d{MANY_PATTERNS - 1}.example"
            ),
        }
    )
    yield from figures("/info", found)
    ours = [found[name] for name in ("early", "late", "none")]
    slowest, fastest = (pick(ours, key=lambda each: each.rate) for pick in (min, max))
    yield rate_to(
        "/info on granian, 33,000 rules, slowest of early, late and none, to a constant view",
        *(slowest, found["constant view on granian"]),
        at_least=0.8,
    )
    yield rate_to(
        "/info on gunicorn, to a constant view",
        *(found["late, on gunicorn"], found["constant view on gunicorn"]),
        at_least=0.8,
    )
    yield rate_to("/info, its fastest match to its slowest", fastest, slowest)
    yield cpu_to(
        "processor time of 300 patterns in order, early, to /info",
        *(found["as Tchap does it, 300 patterns in order, early"], found["early"]),
        at_least=1,
    )
    yield cpu_to(
        "processor time of 3,000 patterns in order, late, to /info",
        *(found["as Tchap does it, 3,000 patterns in order, late"], found["late"]),
        at_least=1_000,
    )


def _to_constants(what: str, found: Mapping[str, Measured], *, at_least: float) -> Iterator[Row]:
    for server in ("granian", "gunicorn"):
        yield rate_to(
            f"{what} on {server}, to a constant view",
            *(found[server], found[f"constant view on {server}"]),
            at_least=at_least,
        )


def _constants() -> dict[str, Load]:
    servers = installation()
    asked = write(servers.folder / "constant", [Request("GET", "/constant")])
    return {
        "constant view on granian": Load(servers.anchors(), asked),
        "constant view on gunicorn": Load(servers.anchors("gunicorn"), asked),
    }
