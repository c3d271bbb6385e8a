"""What every probe asks is composed once: SQLAlchemy takes longer for it than the database to answer."""

from datetime import timedelta

from sqlalchemy import event

from identity.core import waiting_jobs
from identity.mail import models as mails


def test_two_probes_ask_the_same_statements(services):
    asked = []

    def note(_connection, statement, *_):
        asked.append(statement)

    event.listen(services.database.engine, "before_execute", note)
    for limit in (1, 20):
        with services.database.reading() as session:
            assert waiting_jobs.find_oldest(session, services.now(), limit=limit) == []
            since = services.now() - timedelta(minutes=limit)
            assert mails.last_outcomes(session, since, limit=limit) == []
    event.remove(services.database.engine, "before_execute", note)
    first, second = asked[:2], asked[2:]
    assert [id(each) for each in first] == [id(each) for each in second]
