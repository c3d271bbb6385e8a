"""Loading the sample federation at the first start of the embedded default installation."""

import sys
from pathlib import Path

from identity.core.journal import Actor
from identity.homeservers import models as homeservers
from identity.routing import models as rules
from identity.rule_changes import federation
from identity.services import Services

from .files import read_sample

PATHS = (
    Path(__file__).parents[3] / "examples/federation.yaml",  # a checkout
    Path(sys.prefix) / "share/guichet/federation.yaml",  # an installed wheel
)


def load_sample(services: Services) -> bool:
    """Load it if there is no homeserver and no revision. Whether that was done."""
    path = next((path for path in PATHS if path.exists()), None)
    if path is None:
        return False
    with services.database.transaction() as session:
        if homeservers.find_all(session) or rules.current_number(session) != rules.EMPTY:
            return False
        content = read_sample(path)
        federation.import_federation(
            session,
            services.public_half,
            services.now(),
            servers=content.homeservers,
            rules=content.rules,
            who=Actor("guichet", "first start", "the sample federation"),
        )
    return True
