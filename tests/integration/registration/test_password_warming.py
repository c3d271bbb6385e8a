"""The words that passwords are judged by are read before the first one, in the process that judges and no other."""

import os
import subprocess
import sys

import pytest

BEGIN = """
import os, threading
from identity.registration.passwords import judge, warming, words

read, may_read = words.PackedWords.read, threading.Event()

def read_later(written):
    print("begins to read", flush=True)
    may_read.wait()
    return read(written)

words.PackedWords.read = read_later

def wait_for_reader():
    for thread in threading.enumerate():
        if thread.name == warming.NAME:
            thread.join()

import wsgi
"""
PUBLIC = """
import sys
from zxcvbn import matching

site = wsgi.app
assert site.test_client().get("/healthz").status_code == 200
print("serves", flush=True)
may_read.set()
wait_for_reader()
print("has read" if words.read_once.cache_info().currsize else "has read nothing", flush=True)
verdict = judge("Bienvenue2026!", about=())
assert words.read_once.cache_info().misses == 1
print("judges", verdict.reason, flush=True)
lists = {"spellchecker", words.__package__ + ".word_lists"} & sys.modules.keys()
print("keeps", *lists, *matching.RANKED_DICTIONARIES, flush=True)
"""
INTERNAL = """
wsgi.internal
assert not [each for each in threading.enumerate() if each.name == warming.NAME]
print("has read" if words.read_once.cache_info().currsize else "has read nothing", flush=True)
"""
FORKED = """
site = wsgi.app  # as --preload does, before there are workers
child = os.fork()
if child == 0:
    may_read.set()
    wait_for_reader()
    os._exit(0 if words.read_once.cache_info().currsize else 1)
print("the child ended with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
may_read.set()
"""


@pytest.fixture
def run(tmp_path):
    def run(script: str) -> list[str]:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("GUICHET_")
        }
        done = subprocess.run(
            [sys.executable, "-c", BEGIN + script],
            env=environment | {"GUICHET_DATA_DIR": str(tmp_path), "GUICHET_ENV_FILE": ""},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return [line for line in done.stdout.splitlines() if not line.startswith("{")]

    return run


def test_the_public_site_serves_while_it_reads_and_has_read_before_it_judges(run):
    told = run(PUBLIC)
    assert set(told[:2]) == {"begins to read", "serves"}
    assert told[2:] == ["has read", "judges easy", "keeps"]  # none of the lists


def test_the_internal_listener_reads_nothing(run):
    assert run(INTERNAL) == ["has read nothing"]


def test_a_child_that_was_forked_while_its_parent_reads_has_the_words_as_well(run):
    assert "the child ended with 0" in run(FORKED)
