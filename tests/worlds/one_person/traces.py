"""Where she may stand after all: in which forms, and everything that a thief of the database would have."""

import base64
import hashlib
import json
import subprocess
from pathlib import Path

from sqlalchemy import make_url, select, text

from identity.tables import METADATA
from identity.threepids import peppers
from tests.services.postgresql import find_binaries

from .names import CAMILLE, HERS, TAGGED


def dump(database) -> str:
    """The whole database, as a thief would take it: pg_dump, or the files of SQLite. In lower case."""
    url = make_url(str(database.engine.url.render_as_string(hide_password=False)))
    if url.get_backend_name() == "sqlite":
        files = [Path(url.database + end) for end in ("", "-wal", "-shm")]
        raw = b"".join(path.read_bytes() for path in files if path.exists())
        return raw.decode("utf-8", "replace").lower()
    command = [
        str(find_binaries() / "pg_dump"),
        *("--host", url.host, "--port", str(url.port), "--username", url.username),
        url.database,
    ]
    done = subprocess.run(command, capture_output=True, check=True)
    return done.stdout.decode().lower()


def traces(services, *, address=CAMILLE, tagged=TAGGED, user_id=HERS) -> dict[str, str]:
    """Every form in which she may stand somewhere, by what it is. Take it before she is erased."""
    found = {"local part": address.local, "user ID": user_id, "name": "Camille Durand"}
    with services.database.transaction() as session:
        hashes, names = services.hashes, []
        for each in (address, tagged):
            names += [each.canonical, each.display, each.mailbox_key(), each.untagged]
            for number, one in enumerate(hashes.hashes_of_mailbox(session, each.canonical)):
                found[f"opt-out {number} of {each}"] = one
            found[f"pseudonym of {each}"] = hashes.pseudonym_of(session, each.canonical)
        for name in dict.fromkeys(names):
            raw = name.encode()
            found[f"hex of {name}"] = raw.hex()
            found[f"base64 of {name}"] = base64.b64encode(raw).decode().rstrip("=")[:-1]
            found[f"SHA-256 of {name}"] = hashlib.sha256(raw).hexdigest()
            found[f"JSON of {name}"] = json.dumps(name)[1:-1]
            found[f"log of {name}"] = hashes.hash_for_erasures(session, name)
            for pepper in session.scalars(select(peppers.Pepper)):
                lookup = peppers.hash_address(name, "email", pepper.pepper)
                found[f"lookup {pepper.number} of {name}"] = lookup
                digest = base64.urlsafe_b64decode(lookup + "=")
                found[f"hex of lookup {pepper.number} of {name}"] = digest.hex()
    return {what: trace.lower() for what, trace in found.items()}


def count_rows(database) -> int:
    """All rows of all tables."""
    with database.reading() as session:
        return sum(
            session.scalar(text(f"select count(*) from {table}")) or 0 for table in METADATA.tables
        )
