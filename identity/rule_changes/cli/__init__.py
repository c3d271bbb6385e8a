"""`guichet domain`, `guichet journal` and the address lists."""
