"""Anchors: what Flask, plain SQL and patterns in order cost, on the servers that serve Guichet.

`wsgi` for gunicorn, `asgi` for granian. Nothing of Guichet answers here.
"""

import os
import re
import threading

import psycopg
from flask import Flask, Response, jsonify, request

from identity.web.asgi import Bridge

THREADS = 8  # as GUICHET_WEB_THREADS
MAX_BODY = 1_000_000
DATABASE = "BENCH_DATABASE_URL"  # for psycopg
PATTERNS = (300, 3_000)
LOOKUP = """
select h.hash, a.user_id from lookup_hashes h join associations a using (medium, address)
where h.pepper_number = (select number from lookup_peppers where pepper = %s) and h.hash = any(%s)
"""

wsgi = Flask("anchors")
_patterns = {
    size: [rf".*@(.*\.|)d{number}\.example" for number in range(size)] for size in PATTERNS
}
_local = threading.local()


@wsgi.get("/healthz")
@wsgi.get("/constant")
def constant() -> Response:
    """Answer a constant: what Flask itself costs."""
    return jsonify(versions=["v1.1", "v1.2"])


@wsgi.get("/patterns/<int:size>")
def patterns(size: int) -> Response:
    """Route an address as Tchap does it: patterns in order, the first that matches."""
    address = request.args["address"]
    for pattern in _patterns[size]:
        # The module `re` remembers 512 patterns: with more of them, each is compiled again.
        if re.match(pattern + "$", address):
            return jsonify(hs="agents.example")
    return jsonify(hs="guests.example")


@wsgi.post("/lookup")
def lookup() -> Response:
    """Look hashes up by plain SQL: no token, no limits, nothing but the statement."""
    asked = request.get_json()
    found = _connection().execute(LOOKUP, (asked["pepper"], asked["addresses"])).fetchall()
    return jsonify(mappings=dict(found))


def _connection() -> psycopg.Connection[tuple[str, str]]:
    """The connection of this thread."""
    if not hasattr(_local, "connection"):
        _local.connection = psycopg.connect(os.environ[DATABASE], autocommit=True)
    connection: psycopg.Connection[tuple[str, str]] = _local.connection
    return connection


# As Guichet's own views of this kind: what is in memory needs no thread.
FROM_MEMORY = (b"/constant", *(b"/patterns/%d" % size for size in PATTERNS))
asgi = Bridge(wsgi, threads=THREADS, max_body=MAX_BODY, from_memory=FROM_MEMORY)
