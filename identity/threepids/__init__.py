"""Third-party identifiers (3PIDs): validation, associations and lookup, as the Matrix Identity Service API has them."""
