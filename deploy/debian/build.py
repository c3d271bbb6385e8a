"""Build the Debian package of Guichet with dpkg-deb alone: the wheel in an environment of its own.

`make deb` runs this on what git holds. The files beside it are the package's own: control and
maintainer scripts, manual pages, and what lintian is told.
"""

import argparse
import base64
import csv
import gzip
import hashlib
import importlib.metadata
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from configparser import ConfigParser
from email.utils import formatdate
from pathlib import Path

HERE = Path(__file__).parent
HOME = (
    "usr/lib/guichet"  # not /opt, where whoever installs by hand puts it: neither gets in the way
)
BY_HAND = "/opt/guichet/"  # what the samples of deploy/ say
PYTHON = "/usr/bin/python3"
SCRIPTS = ("celery", "guichet", "gunicorn")
SETTINGS = "etc/guichet/guichet.env"
MAINTAINER_SCRIPTS = ("postinst", "prerm", "postrm")
SAMPLES = (
    "nginx.conf",
    "postfix-bounces.cf",
    "synapse-limits.conf",
    "synapse-mixed.conf",
    "grafana/guichet.json",
    "prometheus/prometheus.yml",
    "prometheus/rules.yml",
)
FOLDER, FILE, PROGRAM, SECRET = 0o755, 0o644, 0o755, 0o640
SCRIPT = """\
#!/{home}/bin/python
import sys

from {module} import {function}

sys.exit({function}())
"""


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="guichet-deb-") as scratch:
        environment = Path(scratch, "environment")
        make_environment(options.source, environment)
        made = make_package(
            options.source,
            environment,
            options.output,
            version=options.version,
            compression=options.compression,
        )
    print(made)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Build the Debian package of Guichet.")
    parser.add_argument("source", type=Path, help="folder with the files that git holds")
    parser.add_argument("output", type=Path, help="folder for the package")
    parser.add_argument("--version", help="Debian's version, instead of that of setup.cfg")
    parser.add_argument("--compression", default="xz", help="as dpkg-deb names it")
    return parser.parse_args()


# --- The environment


def make_environment(source: Path, folder: Path) -> None:
    """A virtual environment for /usr/lib/guichet: it names no path of the machine it is made on.

    The libraries are those of requirements/service.txt, compared with their hashes. The pip that
    installs them is that of the Python which runs this, and does not come along; neither does
    setuptools, which only builds the wheel.
    """
    if not Path(PYTHON).exists():
        sys.exit(f"There is no {PYTHON}, which the package will run on: apt-get install python3")
    python = Path(PYTHON).resolve()  # python3.11: what it is called when python3 is newer
    _run(python, "-m", "venv", "--without-pip", folder)
    installed = folder / "bin/python"
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    install = (*pip, "--python", installed, "install", "--no-compile", "--no-deps")
    _run(*install, "--require-hashes", "--requirement", source / "requirements/service.txt")
    with tempfile.TemporaryDirectory(prefix="guichet-wheel-") as wheels:
        build = ("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels)
        _run(*pip, *build, source)
        _run(*install, *Path(wheels).glob("*.whl"))
    _run(*pip, "--python", installed, "uninstall", "--yes", "setuptools")
    _tidy(folder, python)
    _set_times(folder, _epoch(source))
    _compile(folder)


def _tidy(folder: Path, python: Path) -> None:
    """Take out what only pip needs, and every path of this machine."""
    version = _run(python, "-c", "import platform; print(platform.python_version())").strip()
    shutil.rmtree(folder / "include", ignore_errors=True)
    shutil.rmtree(folder / "bin")
    (folder / "bin").mkdir()
    for name in ("python", "python3", python.name):
        (folder / "bin" / name).symlink_to(f"../../../bin/{python.name}")
    (folder / "pyvenv.cfg").write_text(
        f"home = {python.parent}\ninclude-system-site-packages = false\nversion = {version}\n"
    )
    scripts = {
        entry.name: entry
        for dist in importlib.metadata.distributions(path=[str(_site(folder))])
        for entry in dist.entry_points
        if entry.group == "console_scripts"
    }
    for name in SCRIPTS:
        text = SCRIPT.format(home=HOME, module=scripts[name].module, function=scripts[name].attr)
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(PROGRAM)
    for info in _site(folder).glob("*.dist-info"):
        for name in ("direct_url.json", "REQUESTED"):
            (info / name).unlink(missing_ok=True)
        (info / "INSTALLER").write_text("dpkg\n")
    for cached in folder.rglob("__pycache__"):
        shutil.rmtree(cached)
    for info in _site(folder).glob("*.dist-info"):
        _renew_record(folder, info)


def _renew_record(folder: Path, info: Path) -> None:
    """Let the list of a library's files name those that are there, with their hashes."""
    site = info.parent
    listed = csv.reader(io.StringIO((info / "RECORD").read_text(encoding="utf-8")))
    record = f"{info.name}/RECORD"
    rows = [(record, "", "")]
    for name, *_ in listed:
        path = site / name
        if name != record and path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            data = path.read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
            rows.append((name, f"sha256={digest}", str(len(data))))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(sorted(rows))
    (info / "RECORD").write_text(text.getvalue(), encoding="utf-8")


def _site(folder: Path) -> Path:
    (found,) = folder.glob("lib/python3.*/site-packages")
    return found


# --- The package


def make_package(
    source: Path,
    environment: Path,
    output: Path,
    *,
    version: str | None = None,
    compression: str = "xz",
) -> Path:
    """Pack the environment with units, settings, samples and pages; gives the path of the package.

    `version`: of Debian; without it, the one of setup.cfg. Two packages of the same source and the
    same SOURCE_DATE_EPOCH have the same bytes.
    """
    version = version or debian_version(source)
    architecture = _run("dpkg", "--print-architecture").strip()
    epoch = _epoch(source)
    output.mkdir(parents=True, exist_ok=True)
    package = output / f"guichet_{version}_{architecture}.deb"
    with tempfile.TemporaryDirectory(prefix="guichet-root-") as scratch:
        root = Path(scratch, "root")
        # Links to the same bytes where that can be done: two packages of one environment cost little.
        shutil.copytree(environment, root / HOME, symlinks=True, copy_function=_link)
        _add_files(source, root, version, epoch)
        _narrow(root)
        facts = {
            "version": version,
            "architecture": architecture,
            "python": _python(environment),
            "libc": _oldest_libc(root),
            "size": str(_kilobytes(root)),
        }
        _add_control(root, facts)
        _set_times(root, epoch)
        options = ("--root-owner-group", f"-Z{compression}")
        environ = os.environ | {"SOURCE_DATE_EPOCH": str(epoch)}
        _run("dpkg-deb", *options, "--build", root, package, env=environ)
    return package


def debian_version(source: Path) -> str:
    """The version of setup.cfg as Debian sorts it: 0.2.0rc1 is 0.2.0~rc1, before 0.2.0."""
    config = ConfigParser(interpolation=None)
    config.read(source / "setup.cfg")
    return re.sub(r"\.?(a|b|rc|dev)(\d+)", r"~\1\2", config["metadata"]["version"])


def _add_files(source: Path, root: Path, version: str, epoch: int) -> None:
    deploy = source / "deploy"
    for path in sorted((deploy / "systemd").glob("*.service")):
        _put(root / "usr/lib/systemd/system" / path.name, _installed(path))
    _put(root / "usr/lib/tmpfiles.d/guichet.conf", _installed(deploy / "systemd/tmpfiles.conf"))
    for name in SAMPLES:
        _put(root / "usr/share/guichet" / name, _installed(deploy / name))
    _put(
        root / "usr/share/guichet/federation.yaml", _installed(source / "examples/federation.yaml")
    )
    _put(root / SETTINGS, _installed(deploy / "guichet.env"), SECRET)
    (root / "usr/bin").mkdir()
    (root / "usr/bin/guichet").symlink_to("../lib/guichet/bin/guichet")
    _put(root / "usr/bin/guichet-backup", _installed(deploy / "guichet-backup"), PROGRAM)
    for path in HERE.glob("*.1"):
        _put_packed(root / "usr/share/man/man1" / f"{path.name}.gz", path.read_bytes())
    pages = root / "usr/share/doc/guichet"
    for path in sorted((source / "docs").rglob("*.md")):
        _put(pages / "docs" / path.relative_to(source / "docs"), path.read_bytes())
    for name in ("README.md", "SECURITY.md"):
        _put(pages / name, (source / name).read_bytes())
    _put(pages / "copyright", _copyright(root))
    _put_packed(pages / "NEWS.md.gz", (source / "CHANGELOG.md").read_bytes())
    changes = (
        (HERE / "changelog")
        .read_text()
        .format(version=version, date=formatdate(epoch, localtime=False))
    )
    _put_packed(pages / "changelog.gz", changes.encode())
    _put(root / "usr/share/lintian/overrides/guichet", (HERE / "lintian-overrides").read_bytes())


def _installed(path: Path) -> bytes:
    """A sample of deploy/, with the paths of the package."""
    return path.read_bytes().replace(BY_HAND.encode(), f"/{HOME}/".encode())


def _copyright(root: Path) -> bytes:
    """Ours, and the licence that each library states; their texts stand beside them."""
    text = (HERE / "copyright").read_text(encoding="utf-8")
    dists = importlib.metadata.distributions(path=[str(_site(root / HOME))])
    for dist in sorted(dists, key=lambda each: each.name.lower()):
        about = dist.metadata
        trove = [each for each in about.get_all("Classifier", []) if each.startswith("License ::")]
        stated = (about["License-Expression"], *(each.rpartition(" :: ")[2] for each in trove))
        name = next((each for each in (*stated, about["License"]) if each), "see its files")
        text += f" {dist.name} {dist.version}: {name.splitlines()[0]}\n"
    return text.encode()


def _put(path: Path, data: bytes, mode: int = FILE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def _put_packed(path: Path, data: bytes) -> None:
    _put(path, gzip.compress(data, mtime=0))


def _narrow(root: Path) -> None:
    """Modes by kind, whatever the umask was: nobody but root writes, and everybody may read."""
    for path in (root, *root.rglob("*")):
        if path.is_symlink() or path == root / SETTINGS:
            continue
        programs = path.parent in {root / HOME / "bin", root / "usr/bin"}
        path.chmod(FOLDER if path.is_dir() or programs else FILE)
    (root / SETTINGS).parent.chmod(0o750)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)


def _compile(folder: Path) -> None:
    """Byte-compile: the services cannot write there, and would compile at every start."""
    told = ("-q", "-j1", "--invalidation-mode", "timestamp", "-s", folder, "-p", f"/{HOME}")
    environ = os.environ | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": ""}
    _run(f"/usr/bin/{_python(folder)}", "-m", "compileall", *told, folder / "lib", env=environ)


def _epoch(source: Path) -> int:
    """The time that every file gets: without SOURCE_DATE_EPOCH, that of the source."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    return int(given) if given else int((source / "setup.cfg").stat().st_mtime)


def _set_times(root: Path, epoch: int) -> None:
    for path in (*root.rglob("*"), root):
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def _python(folder: Path) -> str:
    return (folder / "bin/python").readlink().name


def _oldest_libc(root: Path) -> str:
    """The oldest C library that has what the libraries' machine code asks for."""
    asked = {(2, 17)}
    for path in root.rglob("*.so*"):
        asked |= {
            (int(major), int(minor))
            for major, minor in re.findall(rb"\0GLIBC_(\d+)\.(\d+)", path.read_bytes())
        }
    return "{}.{}".format(*max(asked))


def _kilobytes(root: Path) -> int:
    """As dpkg-gencontrol counts: a kibibyte for each entry, files rounded up."""
    return sum(
        1 if path.is_dir() or path.is_symlink() else -(-path.stat().st_size // 1024)
        for path in root.rglob("*")
    )


def _add_control(root: Path, facts: dict[str, str]) -> None:
    sums = "".join(
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {name}\n"
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
        for name in [str(path.relative_to(root))]
        if name != SETTINGS
    )
    folder = root / "DEBIAN"
    _put(folder / "control", (HERE / "control").read_text().format(**facts).encode())
    _put(folder / "conffiles", f"/{SETTINGS}\n".encode())
    _put(folder / "md5sums", sums.encode())
    for name in MAINTAINER_SCRIPTS:
        _put(folder / name, (HERE / name).read_bytes(), PROGRAM)
    folder.chmod(FOLDER)


def _run(*command: object, env: dict[str, str] | None = None) -> str:
    """Give what it says. If it fails, say all of it, and end."""
    words = [str(word) for word in command]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
