"""The keys of this service: signing keys in the database, and keys in the settings."""
