"""What our module in Synapse is told and what it reports (/api/homeserver/v1)."""
