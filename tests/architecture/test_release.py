"""What is released is what git holds: every file of the service is in source archive and wheel.

`make release` looks in this way at what it has built: `RELEASE=dist` names the folder. Without it
both are built here, of a copy, so that nothing which lies about in the working tree gets in.
"""

import configparser
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.metadata import Metadata

ROOT = Path(__file__).parents[2]
CODE = ("identity", "domain_rules", "workers", "asgi.py", "wsgi.py")
BESIDE = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "examples/federation.yaml")
BUILD_SDIST = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"


def known_to_git(*paths: str) -> set[str]:
    """Files that are committed, or would be by `git add`."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *paths]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.splitlines() if (ROOT / name).is_file()}


def version() -> str:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config["metadata"]["version"]


def run(*arguments: str | Path, cwd: Path) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def build(folder: Path) -> Path:
    """As the recipe of `make release` does: the source archive, and of it the wheel."""
    source, dist = folder / "source", folder / "dist"
    for name in known_to_git(*CODE, *BESIDE):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, source / name)
    run("-c", BUILD_SDIST, dist, cwd=source)
    (sdist,) = dist.glob("*.tar.gz")
    wheel = ("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", dist, sdist)
    run("-m", "pip", "--disable-pip-version-check", *wheel, cwd=folder)
    return dist


@pytest.fixture(scope="module")
def dist(tmp_path_factory) -> Path:
    named = os.environ.get("RELEASE")
    return ROOT / named if named else build(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def wheel(dist) -> Path:
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def sdist(dist) -> Path:
    (found,) = dist.glob("*.tar.gz")
    return found


def test_the_wheel_holds_what_git_holds_and_nothing_else(wheel):
    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    sample = f"matrix_guichet-{version()}.data/data/share/guichet/federation.yaml"
    assert sorted(held) == sorted({*known_to_git(*CODE), sample})


def test_the_source_archive_holds_all_that_the_wheel_is_made_of(sdist):
    with tarfile.open(sdist) as archive:
        held = {member.name.partition("/")[2] for member in archive.getmembers()}
    assert sorted(known_to_git(*CODE, *BESIDE) - held) == []
    assert not [
        name for name in held if name.startswith(("var", ".env", "build")) or ".pyc" in name
    ]


def test_the_lists_that_were_compared_name_what_is_not_code():
    names = known_to_git(*CODE)
    for kind in (
        r"templates/mails/.+",
        r"templates/pages/.+",
        r"translations/fr/.+\.po",
        r"static/.+",
    ):
        assert [name for name in names if re.fullmatch(rf"identity/.*{kind}", name)], kind
    assert "identity/migrations/script.py.mako" in names
    assert "identity/registration/passwords/known_words.txt" in names


def test_the_metadata_is_what_an_index_takes(wheel):
    with ZipFile(wheel) as packed:
        (path,) = (name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Metadata.from_email(packed.read(path), validate=True)
    assert metadata.name == "matrix-guichet"
    assert str(metadata.version) == version()
    assert metadata.description == (ROOT / "README.md").read_text(encoding="utf-8")
    assert metadata.provides_extra == ["service", "passkeys", "test"]


def test_files_are_named_for_the_version(wheel, sdist):
    assert wheel.name == f"matrix_guichet-{version()}-py3-none-any.whl"
    assert sdist.name == f"matrix_guichet-{version()}.tar.gz"


def test_the_changelog_has_a_section_for_the_version():
    sections = re.findall(r"^## \[?([^\]\s]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert version() in sections
