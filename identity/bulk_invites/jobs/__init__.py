"""What the worker does for bulk invites: one person after the other."""
