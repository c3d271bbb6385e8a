"""The file of production is read as systemd reads it, and by whom it may be read is said."""

import os
import random
import re
import subprocess
from pathlib import Path

import pytest

from identity import env_files
from identity.env_files import VARIABLE, WrongEnvFile, find_env_file, parse, read_env_file
from identity.settings import WrongSettings, read_settings

# The same parser of systemd as for EnvironmentFile=, in a program that prints what it read.
GENERATOR = "/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator"
ESCAPE = re.compile(r"\\([0-7]{3}|.)", re.DOTALL)
CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
PIECES = [*"ab '\"\\\t#;=`é", "\n", "\r", "\\\n", "\r\n", "\\ ", '"x y"', "'x\ny'"]
AWKWARD = {
    "A=plain": "plain",
    "A= blanks  inside  ": "blanks  inside",
    'A=" blanks kept "': " blanks kept ",
    "A='a \"b\" c'": 'a "b" c',
    "A=\"a 'b' c\"": "a 'b' c",
    'A="a\\"b\\\\c"': 'a"b\\c',
    'A="a\\nb"': "a\\nb",
    "A='a\\nb'": "a\\nb",
    "A=a\\ b\\\\c": "a b\\c",
    "A=first \\\nsecond": "first second",
    'A="first \\\nsecond"': "first second",
    'A="first\nsecond"': "first\nsecond",
    "A=a # no comment": "a # no comment",
    "A=a;b": "a;b",
    "A=a=b": "a=b",
    "  A  =  a": "a",
    'A=a"b"c': 'a"b"c',
    'A="a"b': "ab",
    'A="a" "b"': "ab",
    "A=a\r": "a",
    "# A=no\nA=yes": "yes",
    "; A=no\n\n \t\nA=yes": "yes",
    "A=no\nA=yes": "yes",
    "A=Académie": "Académie",
    "A=`a`": "`a`",
    "A=a\\": "a",
}


def values(text: str) -> dict[str, str]:
    return {name: value for _line, name, value in parse(text)}


@pytest.mark.parametrize(("text", "value"), AWKWARD.items(), ids=map(repr, AWKWARD))
def test_an_awkward_value_is_read_as_it_was_meant(text, value):
    assert values(text) == {"A": value}
    assert values(f"{text}\n" if not text.endswith("\\") else text) == {"A": value}


def read_by_systemd(folder: Path, text: str) -> dict[str, str]:
    (folder / "environment.d").mkdir(exist_ok=True)
    (folder / "environment.d/one.conf").write_text(text, newline="")
    env = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    done = subprocess.run([GENERATOR], env=env, capture_output=True, check=True)
    found = {}
    for line in done.stdout.decode().splitlines():
        name, _, value = line.partition("=")
        if value.startswith('"'):
            value = ESCAPE.sub(lambda found: written(found[1]), value[1:-1])
        if len(name) == 1:  # others come from the machine
            found[name] = value
    return found


def written(escape: str) -> str:
    return chr(int(escape, 8)) if len(escape) > 1 else CONTROLS.get(escape, escape)


@pytest.mark.slow
def test_systemd_itself_reads_the_same_values(tmp_path):
    """Many files at random; in some, a line is refused here that systemd leaves out with a warning."""
    chance, compared = random.Random(7), 0
    texts = [*AWKWARD]
    for _ in range(300):
        lines = (
            f"{name}={''.join(chance.choices(PIECES, k=chance.randint(0, 8)))}" for name in "ABC"
        )
        texts.append("\n".join(lines) + chance.choice(["\n", "", "\r\n"]))
    for text in texts:
        try:
            ours = values(text)
        except WrongEnvFile:
            continue
        if not all(map(env_files.NAME.fullmatch, ours)):
            continue
        # environment.d(5) leaves out empty values, EnvironmentFile= does not.
        theirs = {name: value for name, value in read_by_systemd(tmp_path, text).items() if value}
        assert {name: value for name, value in ours.items() if value} == theirs, repr(text)
        compared += 1
    assert compared > 60


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        (b"GUICHET_LIMITS=on\nexport A=1\n", 2, "no name of a variable"),
        (b"\n1A=1\n", 2, "no name of a variable"),
        (b"\n\nthe secret itself\n", 3, "no ="),
        (b'A=1\nB="not closed\nC=1\n', 2, "not closed"),
        (b"A='not closed", 1, "not closed"),
        (b"A=1\nB=caf\xe9\n", 2, "UTF-8"),
        (b"A=a\x01b\n", 1, "control character"),
        (b"A=1\nB=2\0\nC=3\n", 2, "null byte"),
        (b"\0", 1, "null byte"),
        ("A=1\nB=a\ufffeb\n".encode(), 2, "no character"),
        ("A=a\ufdd0b\n".encode(), 1, "no character"),
        ("A=a\U0001ffffb\n".encode(), 1, "no character"),
        (b"# a path of Windows: C:\\\nGUICHET_LIMITS=on\n", 1, "backslash"),
        ("\N{ZERO WIDTH NO-BREAK SPACE}A=1\n".encode(), 1, "no name of a variable"),
    ],
)
def test_a_line_that_systemd_would_leave_out_is_named_and_not_shown(tmp_path, text, line, told):
    path = tmp_path / "guichet.env"
    path.write_bytes(text)
    with pytest.raises(WrongEnvFile, match=rf"guichet.env, line {line}: .*{told}") as raised:
        read_env_file(path)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("kind", ["missing", "folder", "huge"])
def test_a_file_that_is_none_is_one_sentence(tmp_path, monkeypatch, kind):
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    if kind == "huge":
        path.write_bytes(b"#" * (env_files.MAX_BYTES + 1))
    monkeypatch.setenv(VARIABLE, str(path))
    with pytest.raises(WrongSettings, match=str(path)) as raised:
        read_settings()
    assert "\n" not in str(raised.value)


def test_the_file_of_production_is_found_unless_it_is_not_wanted(tmp_path, monkeypatch):
    default = tmp_path / "guichet.env"
    monkeypatch.setattr(env_files, "DEFAULT", default)
    assert find_env_file({}) is None
    default.write_text("")
    assert find_env_file({}) == default
    assert find_env_file({VARIABLE: ""}) is None
    assert find_env_file({"GUICHET_DATABASE_URL": "x"}) is None
    assert find_env_file({"GUICHET_DATABASE_URL_FILE": "x"}) is None
    assert find_env_file({"GUICHET_DATABASE_URL": ""}) == default
    named = {VARIABLE: "/x", "GUICHET_DATABASE_URL": "x"}
    assert find_env_file(named) == Path("/x")


POSTGRESQL = "postgresql+psycopg://guichet:the-password@/guichet?host=/run/postgresql"


@pytest.fixture
def production(tmp_path, monkeypatch):
    """A file of production with these lines, in force."""
    monkeypatch.chdir(tmp_path)

    def write(*lines: str) -> Path:
        path = tmp_path / "guichet.env"
        path.write_text("\n".join(lines))
        monkeypatch.setenv(VARIABLE, str(path))
        return path

    return write


def test_it_is_read_and_the_environment_is_stronger_and_dotenv_does_not_count(
    production, monkeypatch, tmp_path
):
    (tmp_path / ".env").write_text("GUICHET_SERVICE_NAME=Elsewhere\nGUICHET_DEFAULT_LOCALE=en\n")
    (tmp_path / "keys").write_text("a-key-that-is-long-enough-for-anybody\n")
    production(
        f'GUICHET_DATABASE_URL="{POSTGRESQL}"',
        "GUICHET_SERVICE_NAME='L’accueil'",
        "guichet_support_url=https://example.org/help",
        f"GUICHET_SECRET_KEYS_FILE={tmp_path / 'keys'}",
    )
    settings = read_settings()
    assert settings.database == POSTGRESQL
    assert settings.service_name == "L’accueil"
    assert settings.support_url == "https://example.org/help"
    assert settings.default_locale == "fr"
    assert settings.secret_keys[0].get_secret_value() == "a-key-that-is-long-enough-for-anybody"
    monkeypatch.setenv("GUICHET_SERVICE_NAME", "Guichet de Rouen")
    assert read_settings().service_name == "Guichet de Rouen"


@pytest.mark.parametrize(
    ("line", "told"),
    [("", "is not set"), ("GUICHET_DATABASE_URL=sqlite:////var/lib/x.db", "is that of SQLite")],
)
def test_where_it_exists_sqlite_is_refused(production, line, told):
    path = production(line)
    with pytest.raises(WrongSettings, match=f"GUICHET_DATABASE_URL {told}.*{path}.*postgresql"):
        read_settings()


def test_who_may_not_read_it_is_told_what_to_do(production):
    path = production(f"GUICHET_DATABASE_URL={POSTGRESQL}")
    path.chmod(0)
    me = os.geteuid()
    if me == 0:  # root may read everything
        os.seteuid(65534)
    try:
        with pytest.raises(WrongSettings, match=r"run it as root .* member of the group guichet"):
            read_settings()
    finally:
        os.seteuid(me)
