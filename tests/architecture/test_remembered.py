"""Whatever is remembered of the database, a change of it ends the memory: no way leads around that."""

import re
from pathlib import Path

import identity
import workers
from identity.core.node_epoch import ENDS_BY
from identity.threepids import callers

# Opens the transactions in which the session notes what ends the memory.
OF_DATABASES = Path("core/database.py")


def sources():
    for package in (identity, workers):
        root = Path(package.__file__).parent
        for path in root.rglob("*.py"):
            if "migrations" not in path.relative_to(root).parts:
                yield path.relative_to(root), path.read_text()


def test_each_table_of_a_remembered_answer_says_what_ends_it():
    names = re.findall(r"(?:FROM|JOIN) (\w+)", str(callers.FIND))
    metadata = callers.AccessToken.metadata
    assert set(names) == {"identity_tokens", "homeservers", "accepted_terms", "lookup_peppers"}
    for name in names:
        assert "delete" in metadata.tables[name].info[ENDS_BY], name


def test_nobody_writes_to_them_without_a_session():
    """Sessions note it; connections of the engine, and statements as texts, would not."""
    for path, text in sources():
        if path != OF_DATABASES:
            assert not re.search(r"engine\.(begin|connect|raw_connection)\(", text), path
        for name in ("identity_tokens", "homeservers", "accepted_terms", "lookup_peppers"):
            assert not re.search(rf"(?i)(delete from|update|into) {name}\b", text), path
