"""`guichet person` and `guichet guest`."""
