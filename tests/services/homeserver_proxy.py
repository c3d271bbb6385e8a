"""nginx before a homeserver, with deploy/synapse-mixed.conf and deploy/synapse-limits.conf as operators include them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import nginx
from .waiting import LOOPBACK, free_port

SERVER = """
{limits}
server {{
    listen {here};
    server_name localhost;
    location / {{ proxy_pass http://{synapse}; proxy_set_header Host $host; }}
    {doors}
}}
"""


@contextmanager
def before(folder: Path, synapse: str, *, identity_server: str) -> Iterator[str]:
    """The address of nginx before `synapse` (both host:port); `identity_server` is the one that is let through."""
    folder.mkdir()
    port = free_port()
    doors = nginx.replaced(
        (nginx.DEPLOY / "synapse-mixed.conf").read_text(encoding="utf-8"),
        {
            "127.0.0.1:8008": synapse,
            r"guichet\.example\.org": re.escape(identity_server),
        },
    )
    limits = (nginx.DEPLOY / "synapse-limits.conf").read_text(encoding="utf-8")
    here = f"{LOOPBACK}:{port}"
    text = SERVER.format(limits=limits, here=here, synapse=synapse, doors=doors)
    child = nginx.run(folder, text, port=port)
    try:
        yield here
    finally:
        child.kill()
