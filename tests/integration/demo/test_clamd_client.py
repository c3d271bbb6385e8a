"""What clamd says of a file, and what is believed of whoever answers in its place."""

import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from examples.demo.clamd_client import NotScanned, scan
from tests.services.children import standing_still
from tests.services.clamd import CLEAN, INFECTED, Clamd, zipped

pytestmark = pytest.mark.slow
LONG, SHORT = 60.0, 0.2  # seconds for one file


@pytest.fixture(scope="module")
def running_clamd(tmp_path_factory) -> Iterator[Clamd]:
    made = Clamd(tmp_path_factory.mktemp("clamd"))
    made.start()
    yield made
    made.end()


@pytest.fixture
def clamd(running_clamd) -> Clamd:
    if not running_clamd.running:
        running_clamd.start()
    return running_clamd


def ask(address: Path, path: Path, *, within: float = LONG) -> str | None:
    return scan(str(address), str(path), ends_at=time.monotonic() + within)


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "media"
    path.write_bytes(b"Bonjour")
    return path


@contextmanager
def in_place_of_clamd(folder: Path, *answers: bytes, reads: bool = True) -> Iterator[Path]:
    """Whoever connects is heard to the end of the file and told these answers; then it hangs up."""
    address = folder / "other.socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()

        def talk() -> None:
            asking, _ = listener.accept()
            with asking:
                while reads and not asking.recv(1 << 20).endswith(bytes(4)):
                    pass
                for answer in answers:
                    asking.sendall(answer)

        talking = threading.Thread(target=talk)
        talking.start()
        yield address
        talking.join()


def test_it_runs_where_no_apparmor_profile_of_debian_holds_it(clamd):
    runs = Path(f"/proc/{clamd.child.pid}/exe").readlink()
    assert runs.is_relative_to(clamd.folder)


@pytest.mark.parametrize("kind", INFECTED)
def test_the_test_virus_is_found_in(kind, clamd, file):
    file.write_bytes(INFECTED[kind][1])
    assert ask(clamd.address, file) == "Eicar-Test-File.UNOFFICIAL"


@pytest.mark.parametrize("kind", CLEAN)
def test_nothing_is_found_in(kind, clamd, file):
    file.write_bytes(CLEAN[kind][1])
    assert ask(clamd.address, file) is None


def test_a_file_of_50_mb_takes_little_memory(clamd, file):
    with file.open("r+b") as long:
        long.truncate(50_000_000)
    tracemalloc.start()
    try:
        assert ask(clamd.address, file) is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_a_file_that_clamd_does_not_take_whole_is_not_clean(clamd, file):
    with file.open("r+b") as long:
        long.truncate(70_000_000)
    with pytest.raises(NotScanned, match="size limit exceeded"):
        ask(clamd.address, file)


def test_an_archive_that_is_deeper_than_clamd_looks_is_not_clean(clamd, file):
    content = b"Bonjour"
    for _ in range(20):
        content = zipped(content)
    file.write_bytes(content)
    assert ask(clamd.address, file) == "Heuristics.Limits.Exceeded.MaxRecursion"


def test_whoever_was_killed_answers_again_once_it_runs(clamd, file):
    clamd.kill()
    with pytest.raises(NotScanned, match="refused"):
        ask(clamd.address, file)
    clamd.address.unlink()
    with pytest.raises(NotScanned, match="No such file"):
        ask(clamd.address, file)
    clamd.start()
    assert ask(clamd.address, file) is None


@pytest.mark.parametrize("size", [7, 5_000_000])
def test_who_hangs_is_not_waited_for_beyond_the_end(size, clamd, file):
    with file.open("r+b") as long:
        long.truncate(size)
    with standing_still(clamd), pytest.raises(NotScanned, match="timed out"):
        ask(clamd.address, file, within=SHORT)


def test_of_a_file_whose_time_is_over_nothing_is_asked(clamd, file):
    with pytest.raises(NotScanned, match="timed out"):
        ask(clamd.address, file, within=0)


@pytest.mark.parametrize(
    "answers",
    [
        (),
        (b"\0",),
        (b"stream: ",),
        (b"stream: OK",),
        (b"stream: OK, or nearly\0",),
        (b"stream:  FOUND\0",),
        (b"INSTREAM: Can't allocate memory ERROR\0",),
        (b"HTTP/1.1 200 OK\r\n\r\n",),
        (b"\xff\xfe\0",),
        (b"x" * 5000,),
    ],
)
def test_only_a_yes_is_a_yes(answers, tmp_path, file):
    with in_place_of_clamd(tmp_path, *answers) as address, pytest.raises(NotScanned):
        ask(address, file)


def test_an_answer_may_come_in_pieces(tmp_path, file):
    with in_place_of_clamd(tmp_path, b"stre", b"am: OK", b"\0") as address:
        assert ask(address, file) is None


def test_a_yes_to_half_a_file_is_none(tmp_path, file):
    with file.open("r+b") as long:
        long.truncate(5_000_000)
    with (
        in_place_of_clamd(tmp_path, b"stream: OK\0", reads=False) as address,
        pytest.raises(NotScanned),
    ):
        ask(address, file)


def test_a_file_that_is_gone_is_not_clean(clamd, tmp_path):
    with pytest.raises(NotScanned, match="No such file"):
        ask(clamd.address, tmp_path / "gone")
