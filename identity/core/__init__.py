"""What every story stands on: database, outbox, journal, one-time codes, limits, HTTP client."""
