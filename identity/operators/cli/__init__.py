"""`guichet ops` and `guichet token`."""
