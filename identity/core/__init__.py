"""The foundation of all stories: database, outbox, journal, one-time codes, limits, HTTP client."""
