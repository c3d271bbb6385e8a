"""Nightly maintenance: deletes old rows."""
