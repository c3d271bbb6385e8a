"""The keys of this service: signing keys in the database, link and storage keys of each process."""
