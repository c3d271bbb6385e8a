"""Metrics have names as Prometheus wants them, labels without people, and stop nothing that they count."""

import re

import pytest
from prometheus_client import values
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from identity.core import metrics
from identity.core.database import count_after_commit
from identity.core.metrics import FAMILIES, NAMESPACE, Family
from identity.health.measured import GAUGES

# What a label may be about. None of them names a person, an address or a room.
LABELS = {
    *("listener", "route", "method", "status", "sqlstate", "limit"),
    *("lane", "kind", "outcome", "task", "state", "step"),
    *("template", "provider", "homeserver", "interface", "result", "purpose"),
    *("host", "keys", "name"),  # of our machines, of sets of keys, of faults in /readyz
    *("how", "why", "what"),  # a homeserver is stopped, jobs are held, is frozen
}


def recorded(family: Family, **labels: str) -> float:
    """What a counter of this process stands at."""
    return sum(
        sample.value
        for metric in family.collect()
        for sample in metric.samples
        if sample.labels.items() >= labels.items()
    )


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_names_say_what_is_counted_and_in_which_unit(family):
    assert re.fullmatch(r"guichet_[a-z_]+", family.name)
    assert family.name.endswith("_total") == (family.kind == "counter")
    assert family.name.endswith("_seconds") == (family.kind == "histogram")


@pytest.mark.parametrize("gauge", GAUGES, ids=lambda gauge: gauge.name)
def test_gauges_are_no_counters(gauge):
    assert re.fullmatch(r"[a-z_]+", gauge.name)
    assert not gauge.name.endswith("_total")


def test_every_family_has_one_name_and_one_meaning():
    names = [family.name for family in FAMILIES] + [NAMESPACE + gauge.name for gauge in GAUGES]
    meanings = [each.meaning for each in (*FAMILIES, *GAUGES)]
    assert len(names) == len(set(names)) > 20
    assert all(meaning.endswith(".") for meaning in meanings)


def test_labels_name_nobody():
    used = {label for each in (*FAMILIES, *GAUGES) for label in each.labels}
    assert used <= LABELS


def test_a_disk_that_is_full_stops_nobody(monkeypatch, caplog):
    class Full:
        def __init__(self, *_args, **_facts):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(values, "ValueClass", Full)
    family = Family("counter", "tried_total", "Of this test.", ("limit",))
    family.inc(limit="first")
    assert "No space left on device" in caplog.text
    assert values.ValueClass is values.MutexValue
    family.inc(limit="second")
    assert recorded(family, limit="second") == 1


def _count_in_vain(database, labels) -> None:
    with database.transaction() as session:
        count_after_commit(session, metrics.SIGN_UPS, **labels)
        session.execute(text("insert into outbox (id) values (null)"))


def test_what_is_rolled_back_is_not_counted(database):
    labels = {"step": "started"}
    before = recorded(metrics.SIGN_UPS, **labels)
    with pytest.raises(IntegrityError):
        _count_in_vain(database, labels)
    with database.transaction() as session:
        session.execute(text("select 1"))
        count_after_commit(session, metrics.SIGN_UPS, **labels)
        session.rollback()  # what was tried, to look at
    assert recorded(metrics.SIGN_UPS, **labels) == before
    with database.transaction() as session:
        count_after_commit(session, metrics.SIGN_UPS, **labels)
        count_after_commit(session, metrics.SIGN_UPS, **labels)
    assert recorded(metrics.SIGN_UPS, **labels) == before + 2


def test_a_fault_of_the_database_is_counted_and_logged_by_its_state(database, caplog):
    is_sqlite = database.engine.dialect.name == "sqlite"
    state = "SQLITE_ERROR" if is_sqlite else "42P01"
    before = recorded(metrics.DATABASE_FAULTS, sqlstate=state)
    with pytest.raises(SQLAlchemyError, match="no_such_table"), database.reading() as session:
        session.execute(text("select 1 from no_such_table"))
    assert recorded(metrics.DATABASE_FAULTS, sqlstate=state) == before + 1
    told = [record.sqlstate for record in caplog.records if hasattr(record, "sqlstate")]
    assert told.count(state) == 1
