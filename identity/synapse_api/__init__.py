"""The API for our module in Synapse (/api/homeserver/v1): what it reads and what it reports."""
