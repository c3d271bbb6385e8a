"""Third-party identifiers (3PIDs) of the Matrix Identity Service API: validation, lookup, terms."""
