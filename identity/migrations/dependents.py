"""Which running processes need more than an older schema has, as their heartbeats tell."""

from collections.abc import Collection

from sqlalchemy import Connection, inspect, literal, select
from sqlalchemy.orm import Session

from identity.core import nodes
from identity.core.clock import utc_now
from identity.core.nodes import Node, NodeKind

FIRST = "0016"
"""What version 0.1.0 needs, whose workers report no schema (and whose other processes nothing)."""


def find_dependents(connection: Connection, enough: Collection[str]) -> list[str]:
    """The live processes whose code needs none of these revisions, such as `web on host-a`."""
    if not inspect(connection).has_table(Node.__tablename__):
        return []
    there = {each["name"] for each in inspect(connection).get_columns(Node.__tablename__)}
    reported = Node.kind.name in there  # of 0.1.0's schema only workers are known
    with Session(connection) as session:
        now = nodes.read_database_clock(session) or utc_now()
        query = select(
            Node.kind if reported else literal(NodeKind.WORKER),
            Node.host if reported else literal(""),
            Node.schema if reported else literal(""),
        )
        found = session.execute(query.where(Node.seen_at > now - nodes.GONE_AFTER)).all()
    return sorted(
        {
            f"{kind} on {host}" if host else f"a {kind} of version 0.1.0"
            for kind, host, schema in found
            if (schema or FIRST) not in enough
        }
    )
