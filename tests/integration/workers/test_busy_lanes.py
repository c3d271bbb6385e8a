"""A relay never greets, and other lanes have more work and bells than a worker has places: codes find one all the same."""

import pytest
from sqlalchemy import create_engine, text

from identity.core.outbox import Lane
from tests.services.waiting import wait_for
from workers import slots

CODE, OTHER = "camille@asso.example", "other@asso.example"
OTHERS = (Lane.NORMAL, Lane.BULK)
BELLS = 3 * slots.POOL


@pytest.fixture(params=["production", "embedded"])
def service(request, guichet_processes, holding_smtp):
    """The settings of a worker, on either broker and database, with a relay that never greets."""
    kept = {"GUICHET_SMTP_URL": holding_smtp.url}
    if request.param == "production":
        return request.getfixturevalue("federation") | kept
    guichet_processes.guichet("db", "upgrade", env=kept)
    return kept


@pytest.fixture
def order(guichet_processes, service):
    def order(address, *lanes, number=1):
        module = ("python", "-m", "tests.services.ordering")
        guichet_processes.run(*module, address, "0", ",".join(lanes), str(number), env=service)

    return order


@pytest.fixture
def attempts(guichet_processes, service):
    """How many entries of a lane somebody has begun with."""
    here = f"sqlite:///{guichet_processes.folder}/var/guichet.db"
    engine = create_engine(service.get("GUICHET_DATABASE_URL", here))

    def attempts(lane):
        begun = text("select count(*) from outbox where lane = :lane and attempts > 0")
        with engine.connect() as connection:
            return connection.execute(begun, {"lane": lane}).scalar()

    yield attempts
    engine.dispose()


@pytest.mark.parametrize("concurrency", [None, 2])
def test_codes_find_a_place_while_all_other_lanes_wait_for_the_relay(
    guichet_processes, service, order, attempts, holding_smtp, concurrency
):
    options = () if concurrency is None else ("--concurrency", str(concurrency))
    guichet_processes.worker(service, *options)
    order(OTHER, *OTHERS, number=BELLS)
    wait_for(lambda: any(map(attempts, OTHERS)), what="another lane waits for the relay")
    places = len(OTHERS) if concurrency is None else 1
    assert holding_smtp.most <= places
    order(CODE, Lane.URGENT)
    wait_for(lambda: attempts(Lane.URGENT), what="the code is tried")
    wait_for(lambda: holding_smtp.most, what="a mail is at the relay")
    assert holding_smtp.most <= places + 1
    assert sum(map(attempts, OTHERS)) < len(OTHERS) * BELLS, (
        "it did not wait until the others were done"
    )
