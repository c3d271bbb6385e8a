"""The plain wheel, as a homeserver installs it beside Synapse, brings the rules and nothing of the service."""

import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-synapse/bin/python"
# Installed by neither Synapse nor the base wheel.
SERVICE_ONLY = ("flask", "sqlalchemy", "celery", "redis", "alembic", "granian", "structlog")

pytestmark = pytest.mark.synapse


def ask(probe: str) -> str:
    assert PYTHON.exists(), "Synapse is not installed: make .venv-synapse/.ready"
    done = subprocess.run(
        [PYTHON, "-I", "-c", probe], cwd="/", env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_base_install_brings_nothing_of_the_service():
    probe = f"import importlib.util as u; print([n for n in {SERVICE_ONLY} if u.find_spec(n)])"
    assert ask(probe).strip() == "[]"


def test_the_rules_work_there():
    probe = (
        "from domain_rules.addresses import EmailAddress;"
        "import synapse;"
        "print(EmailAddress.parse('Ana@Interieur.Example').canonical)"
    )
    assert ask(probe).strip() == "ana@interieur.example"


def test_the_wheel_holds_templates_texts_and_migrations_too():
    [wheel] = (ROOT / ".venv-synapse/wheel").glob("*.whl")
    held = set(ZipFile(wheel).namelist())
    written = {
        str(path.relative_to(ROOT))
        for folder in ("identity", "domain_rules", "workers")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert written - held == set()
    assert {"asgi.py", "wsgi.py"} <= held
