"""The WSGI applications: `wsgi:app`, and `wsgi:internal` for the internal listener.

asgi.py gives them to granian.
"""

import sys

from identity.core.loaded_once import kept_for_good

try:
    with kept_for_good():
        from flask import Flask

        import identity.tables  # noqa: F401  pages and jobs look for marked columns in all of them
        from identity.app import create_app
        from identity.core import logging as logs, metric_files
        from identity.core.database_deadlines import WEB
        from identity.core.nodes import NodeKind
        from identity.health.heartbeat import Heartbeat
        from identity.keys import process_keys as keys
        from identity.registration.passwords.warming import warm_up
        from identity.services import build_services
        from identity.settings import WrongSettings, read_settings
        from identity.web.loading import load
        from workers import finish_bells, wake_outbox
except ModuleNotFoundError as error:
    if error.name and error.name.partition(".")[0] in {"identity", "domain_rules", "workers"}:
        raise
    sys.exit(
        f"guichet: {error.name} is missing: the service is not installed here "
        "(install matrix-guichet with its extra [service])"
    )

logs.set_up()
try:
    settings = read_settings()
    logs.set_up(settings.log_format)
    keys.refuse_private_halves(settings)
    metric_files.join(metric_files.shared_folder(settings.data_dir, "web"))
    services = build_services(settings, wake_outbox=wake_outbox, patience=WEB)
except WrongSettings as error:
    sys.exit(f"guichet: {error}")


heartbeats: list[Heartbeat] = []


def stop() -> None:
    """Ring the last bells, and take this process off the list of nodes.

    Where granian forked it, `atexit` is not run.
    """
    finish_bells()
    for heartbeat in heartbeats:
        heartbeat.stop()


def __getattr__(name: str) -> Flask:
    """Make only the application that is served, ready for the first request."""
    if name == "internal":
        with kept_for_good():
            internal_app = create_app(services, listener="internal")
            load(internal_app)
        _report(NodeKind.INTERNAL)
        return internal_app
    if name == "app":
        with kept_for_good():
            public_app = create_app(services)
            load(public_app)
        _report(NodeKind.WEB)
        warm_up()
        return public_app
    raise AttributeError(name)


def _report(kind: NodeKind) -> None:
    heartbeat = Heartbeat(services, kind)
    heartbeat.start(survives_fork=True)
    heartbeats.append(heartbeat)
