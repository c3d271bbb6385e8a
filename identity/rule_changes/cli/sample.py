"""The sample federation, which the first start of the embedded default loads."""

import sys
from pathlib import Path

from identity.core.journal import Who
from identity.homeservers import models as homeservers
from identity.routing import models as rules
from identity.rule_changes import federation
from identity.services import Services

from .files import read_sample

PLACES = (
    Path(__file__).parents[3] / "examples/federation.yaml",  # a checkout
    Path(sys.prefix) / "share/guichet/federation.yaml",  # an installed wheel
)


def load_sample(services: Services) -> bool:
    """Load it where nothing is yet: no homeserver and no revision. Whether that was done."""
    place = next((place for place in PLACES if place.exists()), None)
    if place is None:
        return False
    with services.database.transaction() as session:
        if homeservers.every(session) or rules.current_number(session) != rules.EMPTY:
            return False
        content = read_sample(place)
        federation.import_federation(
            session,
            services.public_half,
            services.now(),
            servers=content.homeservers,
            rules=content.rules,
            who=Who("guichet", "first start", "the sample federation"),
        )
    return True
