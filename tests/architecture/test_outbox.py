"""Whatever is ordered is carried out, and the clocks of the outbox nest."""

from datetime import timedelta

from identity.core.outbox import LEASE, JobKind, Lane
from identity.mail.relay_url import MAX_TIMEOUT
from workers import celery_app, job_batches, looks, tasks
from workers.jobs import CARRY_OUT


def test_every_errand_has_a_hand():
    assert set(CARRY_OUT) == set(JobKind)


def test_every_lane_has_a_queue_and_is_swept():
    queues = {queue.name for queue in celery_app.app.conf.task_queues}
    lanes = {lane.value for lane in Lane}
    assert queues == lanes
    assert lanes <= set(looks._NAMES)


def test_a_bell_rings_in_its_own_lane_alone():
    """Queues that share an exchange and a key would each get every message."""
    bound = {
        queue.name: (queue.exchange.name, queue.routing_key)
        for queue in celery_app.app.amqp.queues.values()
    }
    assert len(set(bound.values())) == len(Lane), bound


def test_every_lane_has_a_slot():
    assert celery_app.app.conf.worker_concurrency >= len(Lane)


def test_the_clocks_nest():
    """One mail < lease < run + one mail < task limit < what Redis waits before it hands a task out again."""
    one_mail = timedelta(seconds=MAX_TIMEOUT)
    run = timedelta(seconds=tasks.RUN_TIME)
    limit = timedelta(seconds=celery_app.TASK_LIMIT)
    assert one_mail < LEASE
    # What left before is settled, and what was not begun is given back, while it is still ours.
    assert timedelta(seconds=job_batches.TIME) + one_mail < LEASE
    assert run + one_mail < limit
    assert limit < timedelta(seconds=celery_app.VISIBILITY_TIMEOUT)
