"""Nightly maintenance: deletes old rows and re-seals secrets with the newest storage key."""
