"""A bell is rung after the commit, by a thread of its own: whoever ordered a mail waits for no broker."""

import pytest

from tests.services.children import standing_still
from tests.services.production import ask_database
from tests.services.redis_server import RedisServer

ADDRESS = "camille.durand@ac-rouen.example"
MAILS = "select count(*) from outbox where errand = 'mail'"
# Orders a mail as the web does; says which thread sends the bell, and how many jobs another connection sees by then.
WATCHED = f"""
import os, threading
from celery.signals import before_task_publish
from tests.services import ordering
from tests.services.production import ask_database
from workers import finish_bells

@before_task_publish.connect
def tell(**_):
    print("bell by", threading.current_thread().name, ask_database(os.environ, {MAILS!r})[0][0])

services = ordering.build_services(ordering.read_settings(), wake_outbox=ordering.wake_outbox)
ordering.order(services, {ADDRESS!r}, 0, ordering.Lane.NORMAL)
finish_bells()
"""


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory):
    """A server of this module's own: others must not wait for it."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.thaw()
    server.kill()


def order(processes, environment) -> str:
    """In a process that ends at once; gives what it logged."""
    return processes.run("python", "-m", "tests.services.ordering", ADDRESS, "0", env=environment)


def test_it_is_sent_after_the_commit_and_not_by_who_commits(federation, guichet_processes):
    said = guichet_processes.run("python", "-c", WATCHED, env=federation)
    assert "bell by ringer 1" in said


def test_a_process_that_ends_rings_first(federation, guichet_processes, redis_server):
    order(guichet_processes, federation)
    assert redis_server.bells()[1] == 1


def test_a_broker_that_is_gone_or_hangs_costs_neither_the_job_nor_the_end_of_the_process(
    federation, guichet_processes, redis_server
):
    with standing_still(redis_server):
        said = order(guichet_processes, federation)
    assert "a sweep will find the work" in said
    redis_server.kill()
    assert "a sweep will find the work" in order(guichet_processes, federation)
    assert ask_database(federation, MAILS)[0][0] == 2
