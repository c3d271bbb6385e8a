"""No mail without a bound: who adds a template says what a mailbox gets of it, in the code and to operators."""

from datetime import timedelta
from pathlib import Path

import pytest

from identity.mail.models import LANES
from identity.mail.quota import BOUNDS, Template

DAY = timedelta(days=1)
MAX_A_DAY = 10
# Each Matrix account has ten; those of all accounts together keep nobody else from theirs.
OF_ALL_ACCOUNTS = 30
BEHAVIOUR = Path(__file__).parents[2] / "docs" / "behaviour.md"


def rows() -> dict[str, list[str]]:
    """The cells of the table about mails, by template."""
    chapter = BEHAVIOUR.read_text(encoding="utf-8").partition("## How many mails a mailbox gets")[2]
    table = [line for line in chapter.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    bounds = [found for found in cells if len(found) == 3]
    return {name.strip(" `"): found for found in bounds for name in found[0].split(",")}


@pytest.mark.parametrize("template", Template)
def test_a_mailbox_gets_a_few_of_each_mail_in_a_day(template):
    counts = [
        count
        for bound in BOUNDS[template]
        if template in bound.templates
        for count, window in bound.quotas
        if window >= DAY
    ]
    assert counts, f"{template} has no bound for a day"
    most = OF_ALL_ACCOUNTS if template is Template.CLIENT_VERIFY else MAX_A_DAY
    assert min(counts) <= most


@pytest.mark.parametrize("template", Template)
def test_operators_read_what_bounds_it_by_mailbox_and_by_cause(template):
    _, by_mailbox, by_cause = rows()[template]
    assert any(letter.isdigit() for letter in by_mailbox) or "`" in by_mailbox
    assert by_cause


def test_every_template_has_a_lane():
    assert set(LANES) == set(BOUNDS) == set(Template)
