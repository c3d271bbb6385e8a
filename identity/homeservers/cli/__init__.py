"""`guichet homeserver`."""
