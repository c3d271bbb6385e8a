"""Measures POST /lookup over HTTP, beside the plain statement on the same server, and Sydent."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

from identity.threepids import lookup as lookups
from identity.threepids.peppers import hash_address

from .comparing import figures, growth, rate_to, time_to
from .installation import (
    FEW,
    MANY,
    address_of,
    installation,
    network_of,
    token_of,
)
from .load import Load, Request, Target, in_turn, write
from .rows import Row
from .sydent import SLOW, pepper_of, sydent

PATH = "/_matrix/identity/v2/lookup"
# How many hashes, and of how many accounts: each asks for the same ones again, as an address book.
ASKED = {1: 20_000, 100: 2_000, 1_000: 200}
ON_GUNICORN = ((FEW, 1), (FEW, 1_000))


def measure() -> Iterator[Row]:
    """Run the suite."""
    servers = installation()
    loads: dict[str, Load] = {}
    for size in (FEW, MANY):
        for hashes in ASKED:
            asked = asked_of(hashes, size)
            of = _of(hashes, size)
            loads[of] = Load(servers.guichet(size=size), asked)
            loads[f"{of}, plain SQL"] = Load(servers.anchors(size=size), _plain(asked))
            if (size, hashes) in ON_GUNICORN:
                loads[f"{of}, gunicorn"] = Load(servers.guichet("gunicorn"), asked)
    peer, turned = sydent(), sydent(join_turned=True)
    one, thousand = _of(1, FEW), _of(1_000, FEW)
    loads[f"{one}, Sydent"] = Load(peer, _of_peer(peer, 1), **SLOW)
    loads[f"{thousand}, Sydent, its join turned round"] = Load(turned, _of_peer(turned, 1_000))
    _check(loads)
    found = in_turn(loads)
    yield from figures("lookup", found)
    for of in (_of(hashes, size) for size in (FEW, MANY) for hashes in ASKED):
        yield time_to(
            f"lookup of {of}, to plain SQL on the same server",
            *(found[of], found[f"{of}, plain SQL"]),
            at_most=1.3,
        )
    yield rate_to("lookup of 1 hash, to Sydent", found[one], found[f"{one}, Sydent"], at_least=100)
    yield rate_to(
        "lookup of 1,000 hashes, to Sydent with its join turned round",
        *(found[thousand], found[f"{thousand}, Sydent, its join turned round"]),
        at_least=1,
    )
    for hashes in ASKED:
        yield growth(
            f"lookup of {hashes:,} among {MANY:,}, to {FEW:,}, CPU",
            *(found[_of(hashes, MANY)], found[_of(hashes, FEW)]),
        )


def asked_of(hashes: int, size: int) -> Path:
    """Lookups of so many hashes at once, in a database with so many associations."""
    with installation().database(size) as database, database.reading() as session:
        return _asked(hashes, size, lookups.current_pepper(session))


def _of(hashes: int, size: int) -> str:
    return f"{hashes:,} among {size:,}"


def _asked(hashes: int, size: int, pepper: str) -> Path:
    """Address books of which every other entry is associated; those of one are associated."""
    return write(
        installation().folder / f"lookup {hashes} {size} {pepper}",
        (
            Request(
                *("POST", PATH, token_of(number), network_of(number)),
                json.dumps(
                    {
                        "algorithm": "sha256",
                        "pepper": pepper,
                        "addresses": _book(number, hashes, size, pepper),
                    }
                ),
            )
            for number in range(ASKED[hashes])
        ),
    )


def _book(number: int, hashes: int, size: int, pepper: str) -> list[str]:
    chosen = random.Random(number).sample(range(size), hashes)
    return [
        hash_address(address_of(each if place % 2 == 0 else size + each), "email", pepper)
        for place, each in enumerate(chosen)
    ]


def _plain(asked: Path) -> Path:
    """The same bodies for the anchor."""
    return write(
        asked.with_name(f"{asked.name} plain"),
        (
            Request("POST", "/lookup", body=line.rstrip("\n").split("\t")[-1])
            for line in asked.read_text(encoding="utf-8").splitlines()
        ),
    )


def _of_peer(peer: Target, hashes: int) -> Path:
    return _asked(hashes, FEW, pepper_of(peer))


def _check(loads: dict[str, Load]) -> None:
    """Let all find the same number of people, or nothing is compared."""
    for name, load in loads.items():
        hashes = int(name.partition(" ")[0].replace(",", ""))
        found = len(load.ask_once().json()["mappings"])
        if found != (hashes + 1) // 2:
            raise SystemExit(f"{name}: {found} found")
