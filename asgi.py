"""The applications of wsgi.py for granian, which `guichet web` and `guichet serve` start.

`asgi:app` is the public site, `asgi:internal` the internal listener.
"""

import wsgi
from identity.app import MAX_BODY
from identity.command.parents import end_with_parent
from identity.web import from_memory
from identity.web.asgi import Bridge


def __getattr__(name: str) -> Bridge:
    """Make only the application that is served, in a process of granian's."""
    if name not in {"app", "internal"}:
        raise AttributeError(name)
    # If granian itself is killed, this process would go on, and answer in place of the next one.
    end_with_parent()
    application = getattr(wsgi, name)
    return Bridge(
        application,
        threads=wsgi.settings.web_threads,
        max_body=MAX_BODY,
        from_memory=from_memory.paths(application),
        at_stop=wsgi.stop,
    )
