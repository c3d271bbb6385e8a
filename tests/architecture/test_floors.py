"""One direction of travel: the import contracts of setup.cfg hold."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_import_contracts_hold():
    checker = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [checker, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_rules_can_be_imported_without_the_service(tmp_path):
    """What a homeserver's process would load, seen from a fresh interpreter."""
    probe = "import sys, domain_rules.rules, domain_rules.addresses; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {
        "identity",
        "workers",
        "flask",
        "sqlalchemy",
        "celery",
        "redis",
        "requests",
        "pydantic",
    }
