"""Measures deciding by rules, and compiling them in a process of its own to see its memory."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from domain_rules.addresses import EmailAddress
from domain_rules.advice import advise
from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet
from tests.worlds.hostile_addresses import HOSTILE

from .rows import Row, in_turn, seconds_each

SIZES = (300, 30_000, 1_000_000)
CALLS = 20_000


def rules(count: int) -> list[Rule]:
    """Make rules: exact domains and suffixes in turn, and a default."""
    kinds = (RuleKind.DOMAIN, RuleKind.SUFFIX)
    made = [
        Rule(
            kinds[number % 2],
            f"d{number}.example",
            AccountClass.AGENT,
            "agents.example",
            requires_invite=False,
        )
        for number in range(count)
    ]
    return [
        *made,
        Rule(RuleKind.DEFAULT, "", AccountClass.GUEST, "guests.example", requires_invite=True),
    ]


def measure() -> Iterator[Row]:
    """Run the suite."""
    yield from _decide()
    yield from _compile()
    yield _hostile()


def _decide() -> Iterator[Row]:
    sets = {size: RuleSet.compile(rules(size)) for size in SIZES}
    addresses = {
        "exact": lambda size: f"ana@d{size - 2}.example",
        "suffix": lambda size: f"ana@a.b.d{size - 1}.example",
        "default": lambda _size: "ana@elsewhere.org",
    }
    for what, address_of in addresses.items():
        calls = {
            str(size): partial(
                seconds_each,
                partial(found.decide, EmailAddress.parse(address_of(size))),
                CALLS,
            )
            for size, found in sets.items()
        }
        taken = in_turn(calls)
        told = ", ".join(f"{size}: {value * 1e6:.2f} µs" for size, value in taken.items())
        worst = max(taken.values())
        yield Row(
            f"decide, {what}, 1,000,000 rules to 300",
            worst / taken["300"],
            "x",
            at_most=1.5,
            detail=told,
        )
        yield Row(f"decide, {what}, the slowest", worst * 1e6, "µs", at_most=5)


def _compile() -> Iterator[Row]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.decisions"], check=True, capture_output=True, text=True
    )
    taken = json.loads(done.stdout)
    yield Row("compile 1,000,000 rules", taken["seconds"], "s", at_most=10)
    yield Row("… memory of that process", taken["mebibytes"], "MiB", at_most=600)


def _hostile() -> Row:
    """The processor time to parse and advise on the slowest of the hostile addresses."""
    found = RuleSet.compile(rules(30_000))
    advise(found, EmailAddress.parse("a@é.example"))  # loads the IDNA tables once
    worst, which = 0.0, ""
    for text, _, _ in HOSTILE:
        began = time.process_time()
        with suppress(ValueError):
            advise(found, EmailAddress.parse(text, smtputf8=True))
        taken = time.process_time() - began
        if taken > worst:
            worst, which = taken, text[:30]
    return Row(
        "the worst of the hostile addresses", worst * 1e3, "ms", at_most=50, detail=ascii(which)
    )


def _compile_a_million() -> None:
    made = rules(SIZES[-1])
    began = time.perf_counter()
    RuleSet.compile(made)
    taken = time.perf_counter() - began
    mebibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": taken, "mebibytes": mebibytes}))


if __name__ == "__main__":
    _compile_a_million()
