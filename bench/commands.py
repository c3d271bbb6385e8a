"""Measures commands beside 33,000 rules on SQLite.

The CPU of the process and its children counts, the least of a few.
"""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from .rows import Row

BIN: Final = Path(sys.executable).parent
HOMESERVER: Final = "agents.example"
DOMAINS: Final = 33_000
TIMES: Final = 5
ADDRESS: Final = "ana@d5.example"


def measure() -> Iterator[Row]:
    """Run the suite."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "GUICHET_DATA_DIR": folder,
            "GUICHET_ENV_FILE": "",
            "GUICHET_LOG_FORMAT": "json",
        }
        environment = os.environ | settings
        helped = min(_cpu(environment, "--help") for _ in range(TIMES))
        yield Row("guichet --help, CPU", helped, "s", at_most=0.25)
        _cpu(environment, "homeserver", "add", HOMESERVER, "--url", "https://m.agents.example")
        file = Path(folder) / "domains.txt"
        file.write_text("".join(f"d{n}.example\n" for n in range(DOMAINS)))
        explained = min(_cpu(environment, "address", "explain", ADDRESS) for _ in range(TIMES))
        yield Row("guichet address explain, CPU", explained, "s", at_most=0.5)
        words = ("domain", "import", str(file), "--homeserver", HOMESERVER)
        imported = _cpu(environment, *words)
        yield Row(f"import of {DOMAINS:,} domains, CPU", imported, "s", at_most=5)
        explained = min(_cpu(environment, "address", "explain", ADDRESS) for _ in range(TIMES))
        yield Row(f"guichet address explain, {DOMAINS:,} rules, CPU", explained, "s")


def _cpu(environment: Mapping[str, str], *words: str) -> float:
    """The seconds of CPU that a command takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([BIN / "guichet", *words], env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
