"""The Celery application: `celery -A workers worker`, `celery -A workers beat`."""

import sys

try:
    from .celery_app import app, finish_bells, wake_outbox
except ModuleNotFoundError as error:
    if error.name and error.name.partition(".")[0] in {"identity", "domain_rules", "workers"}:
        raise
    sys.exit(
        f"guichet: {error.name} is missing: the service is not installed here "
        "(install matrix-guichet with its extra [service])"
    )

__all__ = ["app", "finish_bells", "wake_outbox"]
