"""The messenger of `make demo` is built of what is pinned, and the demo starts without it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from examples.demo import messenger
from examples.demo.__main__ import Demo
from tests.services.processes import ROOT

pytestmark = pytest.mark.synapse

SOURCE = ROOT / "examples/demo/messenger"


def run(*argv: object, cwd: Path, path: str = "/usr/bin:/bin") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(each) for each in argv],
        cwd=cwd,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_what_npm_installs_is_pinned_by_its_hash_and_names_no_host():
    lock = (SOURCE / "package-lock.json").read_text()
    packages = {name: one for name, one in json.loads(lock)["packages"].items() if name}
    assert {"node_modules/hydrogen-view-sdk", "node_modules/esbuild"} < packages.keys()
    assert all(one["integrity"].startswith("sha512-") for one in packages.values())
    assert "resolved" not in lock
    asked = json.loads((SOURCE / "package.json").read_text())
    for name, version in (asked["dependencies"] | asked["devDependencies"]).items():
        assert packages[f"node_modules/{name}"]["version"] == version


def test_the_bundle_has_the_same_bytes_twice(tmp_path):
    again, app = tmp_path / "app.js", messenger.SITE.parent
    node = f"{ROOT / '.venv-messenger/bin'}:/usr/bin:/bin"
    done = run("npm", "run", "build", "--", f"--outfile={again}", cwd=app, path=node)
    assert done.returncode == 0, done.stderr
    assert again.read_bytes() == (messenger.SITE / "app.js").read_bytes()


def test_if_it_is_not_built_accounts_end_at_the_homeserver_and_one_line_says_so(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(messenger, "SITE", tmp_path / "none")
    demo = Demo(tmp_path, 20_000)
    assert demo.messenger is None
    assert demo.missing() == [messenger.NOT_BUILT]


def test_make_demo_goes_on_if_it_cannot_be_built():
    nowhere = ["MESSENGER=/dev/null/nowhere", "-o", ".venv/.service", "-o", ".venv-synapse/.ready"]
    assert run("make", *nowhere, "/dev/null/nowhere/.ready", cwd=ROOT).returncode != 0
    done = run("make", *nowhere, "demo", "ARGS=--help", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "Installing the messenger" in done.stdout  # who waits for it knows
    assert "--port" in done.stdout
