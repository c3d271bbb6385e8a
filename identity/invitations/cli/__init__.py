"""`guichet invitation`."""
