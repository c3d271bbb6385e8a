"""A mail as such: stored, limited, written, sent, and what became of it."""
