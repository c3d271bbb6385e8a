"""What a mailbox gets of each mail when somebody orders as many as they can, under every tag."""

import uuid
from datetime import timedelta

import pytest

from identity.mail import models as mails
from identity.mail.quota import BOUNDS, Template

DAY = timedelta(days=1)


@pytest.fixture
def order(database, clock):
    def order(templates, number):
        with database.transaction() as session:
            for count in range(number):
                for template in templates:
                    mails.order(
                        session,
                        clock(),
                        template=template,
                        address=f"victim+{count}@asso.example",
                        language="fr",
                        subject_id=uuid.uuid4(),
                    )
        with database.reading() as session:
            found = mails.find_recent(session, limit=1000)
            return sorted((mail.goes_at, mail.template) for mail in found)

    return order


def the_most_in(times, window) -> int:
    return max(sum(first <= each < first + window for each in times) for first in times)


@pytest.mark.slow
@pytest.mark.parametrize("template", Template)
def test_forty_orders_of_one_template_are_spread_over_days(order, template):
    times = [at for at, _ in order([template], 40)]
    assert len(times) == 40
    for bound in BOUNDS[template]:
        for count, window in bound.quotas:
            assert the_most_in(times, window) <= count


@pytest.mark.slow
def test_all_templates_together_stay_within_what_each_may(order):
    ordered = order(Template, 8)
    for bound in {bound for bounds in BOUNDS.values() for bound in bounds}:
        times = [at for at, template in ordered if template in bound.templates]
        for count, window in bound.quotas:
            assert the_most_in(times, window) <= count
    assert the_most_in([at for at, _ in ordered], DAY) <= 10 + 10 + 30 + 4 + 10 + 10 + 10 + 10 + 10
