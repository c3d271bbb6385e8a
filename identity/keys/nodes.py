"""Which keys the running processes have."""

from datetime import datetime

from sqlalchemy.orm import Session

from identity.core import nodes

from .renewal import NodeKeys


def find_nodes(session: Session, now: datetime) -> list[NodeKeys]:
    """The processes seen within the last 30 seconds. `now`: by the clock of the database.

    One of a version that reports no keys has none here, so nothing is brought into use before it
    is upgraded.
    """
    return [
        NodeKeys(f"{node.kind} on {node.host or node.node_id}", node.keys)
        for node in nodes.find_alive(session, now)
    ]
