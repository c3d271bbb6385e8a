"""`guichet keys`: signing keys in the database, and the keys in the settings."""
