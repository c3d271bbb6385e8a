"""Sets up Celery, which only wakes workers and keeps the timetable.

What has to be done is in the outbox in the database, not in Celery's messages.
"""

import atexit
import logging
import time
from contextlib import suppress
from functools import cache
from typing import Any

from celery import Celery, bootsteps
from celery.schedules import crontab
from celery.signals import (
    beat_init,
    setup_logging,
    worker_init,
    worker_process_init as process_begins,
    worker_process_shutdown as process_ends,
    worker_shutting_down,
)
from kombu import Exchange, Queue, pools
from sqlalchemy.exc import SQLAlchemyError

import identity.tables  # noqa: F401  jobs look for marked columns in all of them
from identity.core import logging as logs, metric_files, timetable_runs
from identity.core.breaker import Breaker
from identity.core.nodes import NodeKind
from identity.core.outbox import Lane
from identity.core.private_files import private_folder
from identity.core.timetable_runs import TimetableTask
from identity.health.heartbeat import Heartbeat
from identity.services import Services, WorkerServices, build_services, build_worker_services
from identity.settings import Settings, WrongSettings, read_settings

from . import file_broker, slots
from .metrics_listener import MetricsListener
from .ringer import Ringer

log = logging.getLogger(__name__)

TASK_LIMIT = 240  # seconds; above RUN_TIME and one job, see tasks.py
VISIBILITY_TIMEOUT = 600  # seconds; must exceed the task limit, or Redis hands a task out twice
BELL_TIMEOUT = 0.3  # seconds that the ringer waits for the broker
LAST_BELLS = 2.0  # seconds that the end of a process waits for its last bells
BELL_PAUSE = 10.0  # seconds without bells after that
SLOW = 0.1  # seconds: a broker that fails sooner, as one that is down, may be asked each time
POLLING = 0.05  # seconds between two looks into the message folder

__all__ = [
    "app",
    "finish_bells",
    "process_begins",
    "process_ends",
    "process_services",
    "wake_outbox",
]

app = Celery("guichet", include=["workers.tasks"])


def configure(celery: Celery, settings: Settings) -> None:
    """Configure Celery for the broker of these settings."""
    broker, transport_options = _broker(settings)
    celery.conf.update(
        broker_url=broker,
        broker_transport_options=transport_options,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # meanwhile the processes sweep, see sweeper.py
        broker_channel_error_retry=True,  # a Redis that is full or a replica refuses, it is not away
        broker_connection_timeout=1,
        broker_pool_limit=16,  # each is opened when it is needed
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_create_missing_queues=True,
        task_default_queue=Lane.NORMAL,
        task_acks_late=False,  # jobs are in the outbox; a lost message costs 15 s at most
        task_time_limit=TASK_LIMIT,
        # Messages are not retried: the next sweep wakes the lane again.
        task_publish_retry_policy={"max_retries": 0},
        worker_prefetch_multiplier=1,
        worker_concurrency=slots.POOL,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        beat_scheduler="workers.scheduler:TimetableScheduler",
        beat_schedule=_schedule(),
        beat_max_loop_interval=15,  # the scheduler is seen to live by its looks
        timezone="UTC",
    )
    celery.conf.task_queues = _queues()


_breaker = Breaker(BELL_PAUSE)


def wake_outbox(lanes: set[str]) -> None:
    """Wake the lanes that got jobs, soon, by another thread. Never waits for the broker.

    If the broker is away, the worker's sweep finds the jobs.
    """
    _ringer.ask(lanes)


def finish_bells() -> None:
    """Ring what was asked for before this process ends, as far as the broker answers in time."""
    if not _ringer.finish(LAST_BELLS):
        log.warning("the broker is slow, a sweep will find the work")


def _ring(lane: str) -> None:
    """Send the message that wakes a lane.

    Bells do not expire: a time would be compared by two clocks. A stale one finds nothing to do.
    """
    if not _breaker.lets_pass():
        return
    began = time.monotonic()
    try:
        with _bells().acquire(block=True, timeout=BELL_TIMEOUT) as producer:
            app.send_task(
                "workers.tasks.empty_outbox",
                args=[lane],
                queue=lane,
                ignore_result=True,
                retry=False,
                producer=producer,
            )
    except Exception as error:  # noqa: BLE001  whatever its client raises: the job is stored
        is_slow = time.monotonic() - began >= SLOW
        (_breaker.failed if is_slow else _breaker.worked)()
        log.warning("broker away, a sweep will find the work: %s", type(error).__name__)
    else:
        _breaker.worked()


_ringer = Ringer(_ring)
atexit.register(finish_bells)


@cache
def _bells() -> Any:  # kombu's pool of producers
    """Connections on which nobody waits long, unlike those of the worker."""
    options = {"socket_timeout": BELL_TIMEOUT} if app.conf.broker_url != file_broker.URL else {}
    return pools.producers[app.connection_for_write(transport_options=options)]


@cache
def process_services() -> WorkerServices:
    """The services of this worker process.

    They are built after the fork, since connections must not be shared across it.
    """
    return build_worker_services(read_settings(), wake_outbox=wake_outbox)


@cache
def heartbeat() -> Heartbeat:
    """The heartbeat of the worker's main process, with services of its own.

    It keeps the position of the database in the data folder, also where nothing else is there.
    """
    settings = read_settings()
    services = build_worker_services(settings)
    if not settings.data_dir.exists():
        with suppress(OSError):  # each heartbeat reports a folder that cannot be written
            private_folder(settings.data_dir)
    return Heartbeat(services, NodeKind.WORKER, lanes=[lane.value for lane in Lane])


@cache
def metrics_listener() -> MetricsListener:
    """Shows the metrics of the worker's processes."""
    return MetricsListener(read_settings())


@process_begins.connect
def build_process_services(**_: Any) -> None:
    process_services()


# Two receivers where two things begin: Celery logs the failure of one and goes on with the next.


@worker_init.connect
def prepare_heartbeat(**_: Any) -> None:
    """Before the pool: a worker without its keys does not start."""
    try:
        heartbeat()
    except WrongSettings as error:
        raise SystemExit(f"guichet: {error}") from None


@worker_init.connect
def share_slots(sender: Any, **_: Any) -> None:
    if isinstance(sender.concurrency, int):
        slots.share(sender.concurrency)


@worker_init.connect
def share_metrics(**_: Any) -> None:
    """Before the pool, so that its processes count into one folder."""
    settings = read_settings()
    if settings.worker_metrics_listen:
        metric_files.join_own()


class AfterPool(bootsteps.StartStopStep):
    """What a worker begins without its broker, which may be away for hours.

    Celery sends `worker_ready` only once it has reached the broker. The pool is there before: its
    processes sweep the lanes meanwhile. Threads begin after it, since it forks this process.
    """

    requires = ("celery.worker.components:Pool",)

    def start(self, _worker: Any) -> None:
        heartbeat().start()
        metrics_listener().start()


app.steps["worker"].add(AfterPool)


@worker_shutting_down.connect
def hide_metrics(**_: Any) -> None:
    metrics_listener().stop()


@worker_shutting_down.connect
def stop_heartbeat(**_: Any) -> None:
    heartbeat().stop()


@beat_init.connect
def start_heartbeat_of_scheduler(sender: Any, **_: Any) -> None:
    try:
        services = build_services(read_settings())
    except WrongSettings as error:
        raise SystemExit(f"guichet: {error}") from None
    _expect_tasks(services)
    Heartbeat(services, NodeKind.SCHEDULER, is_well=sender.scheduler.is_well).start()


def _expect_tasks(services: Services) -> None:
    try:
        with services.database.transaction() as session:
            timetable_runs.expect(session, services.now(), TimetableTask)
    except SQLAlchemyError as error:
        log.warning("the timetable is not recorded: database away: %s", type(error).__name__)


@setup_logging.connect
def set_up_logging(loglevel: int = logging.INFO, **_: Any) -> None:
    """Celery's own option --loglevel is for what Celery says of itself."""
    logs.set_up(read_settings().log_format)
    logging.getLogger("celery").setLevel(loglevel)


def _queues() -> list[Queue]:
    """One exchange and key per lane: queues that share them would each get every message."""
    return [Queue(lane.value, Exchange(lane.value), routing_key=lane.value) for lane in Lane]


def _schedule() -> dict[str, dict[str, Any]]:
    """What runs by the clock. The lanes are swept by the worker itself, see sweeper.py."""
    # Each run ends by itself; when much is old, the next ones of the night go on with it.
    night = {"task": "workers.tasks.clean_up", "schedule": crontab(hour="3-5", minute="17,47")}
    invitations = {
        "task": "workers.tasks.keep_invitations",
        "schedule": crontab(minute="7,37"),
        "options": {"queue": Lane.BULK.value},
    }
    health = {
        "task": "workers.tasks.look_at_health",
        "schedule": crontab(minute="*/5"),
        "options": {"queue": Lane.BULK.value},
    }
    return {"clean up": night, "invitations": invitations, "health": health}


def _broker(settings: Settings) -> tuple[str, dict[str, Any]]:
    if settings.broker_url is not None:
        # A request must not wait for the broker: one try, without a pause.
        impatient = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
        timeouts = {"socket_connect_timeout": BELL_TIMEOUT, "socket_timeout": 5}
        return settings.broker_url.get_secret_value(), {
            "visibility_timeout": VISIBILITY_TIMEOUT,
            **impatient,
            **timeouts,
        }
    folder = settings.data_dir.resolve() / "broker"
    for each in (folder.parent, folder, folder / "messages", folder / "control"):
        private_folder(each)
    return file_broker.URL, {
        "data_folder_in": str(folder / "messages"),
        "data_folder_out": str(folder / "messages"),
        "control_folder": str(folder / "control"),
        "polling_interval": POLLING,
        "store_processed": False,
    }


try:
    configure(app, read_settings())
except WrongSettings as error:
    raise SystemExit(f"guichet: {error}") from None
