"""Loading the sample federation at the first start of the embedded default installation."""

import sys
from pathlib import Path

from identity.core.journal import Actor
from identity.homeservers import models as homeservers
from identity.routing import models as rules
from identity.rule_changes import at_once
from identity.rule_changes.at_once import Wanted
from identity.rule_changes.change_models import Origin
from identity.services import Services

from .files import homeservers_of, read_sample

PATHS = (
    Path(__file__).parents[3] / "examples/federation.yaml",  # a checkout
    Path(sys.prefix) / "share/guichet/federation.yaml",  # an installed wheel
)


def load_sample(services: Services) -> bool:
    """Load it if there is no homeserver and no revision. Whether that was done."""
    path = next((path for path in PATHS if path.exists()), None)
    if path is None:
        return False
    with services.database.reading() as session:
        if homeservers.find_all(session) or rules.current_number(session) != rules.EMPTY:
            return False
        content = read_sample(path)
        wanted = Wanted(
            title="The sample federation",
            put=content.rules,
            servers=homeservers_of(content, path.parent),
            origin=Origin.IMPORT,
        )
        checked = at_once.count(session, services.now(), wanted)
    with services.database.transaction() as session:
        outcome = at_once.settle(
            session,
            services.settings,
            services.public_half,
            services.now(),
            Actor("guichet", "first start", "the sample federation"),
            wanted=wanted,
            checked=checked,
        )
    return outcome is not None
