"""The Matrix Identity Service API v2: accounts, terms, lookup, validation."""
