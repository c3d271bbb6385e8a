"""What is installed is pinned, checked by hash, and says nothing of the machine it was pinned on."""

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PINS = ("service", "test", "synapse", "mutants", "bench", "messenger", "scanner")
PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / f"requirements/{name}.txt").read_text()))


def asked(extra: str | None) -> set[str]:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    text = (
        config["options.extras_require"][extra] if extra else config["options"]["install_requires"]
    )
    names = (
        re.split(r"[\s\[<>=!~;]", line.strip())[0] for line in text.splitlines() if line.strip()
    )
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names}


@pytest.mark.parametrize("name", PINS)
def test_no_index_host_or_path_stands_in_the_pins(name):
    text = (ROOT / f"requirements/{name}.txt").read_text()
    assert not re.search(
        r"https?:|file:|--(?:extra-)?index|--find-links|^\s*[^#\s].* @ |/(?:tmp|home|opt|root)/",
        text,
    )


@pytest.mark.parametrize("name", PINS)
def test_every_pin_has_its_hashes(name):
    text = (ROOT / f"requirements/{name}.txt").read_text()
    blocks = re.split(r"\n(?=[a-z0-9])", text)
    assert len(blocks) > 1
    assert not [block.split()[0] for block in blocks if "--hash=sha256:" not in block]


@pytest.mark.parametrize(
    ("name", "extras"),
    [
        ("service", (None, "service", "passkeys")),
        ("test", (None, "service", "passkeys", "test")),
        ("synapse", (None,)),
    ],
)
def test_whatever_setup_cfg_asks_for_is_pinned(name, extras):
    assert set().union(*map(asked, extras)) <= pins(name).keys()


def test_the_tests_run_on_the_versions_of_the_service():
    tested = pins("test")
    assert {
        name: version for name, version in pins("service").items() if tested.get(name) != version
    } == {}
