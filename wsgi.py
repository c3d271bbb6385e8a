"""The web's entry: `gunicorn wsgi:app`, and `gunicorn wsgi:internal` for the internal listener."""

import sys

try:
    from identity import keys, logs
    from identity.app import create_app
    from identity.settings import WrongSettings, read_settings
    from identity.wiring import wire
    from workers import wake_outbox
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
    keys.refuse_private_halves(settings)
    wiring = wire(settings, wake_outbox=wake_outbox)
except WrongSettings as error:
    sys.exit(f"guichet: {error}")
app = create_app(wiring)
internal = create_app(wiring, listener="internal")
