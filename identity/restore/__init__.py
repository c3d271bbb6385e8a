"""Backups, and what must happen after one was loaded, so that nothing is done twice."""
