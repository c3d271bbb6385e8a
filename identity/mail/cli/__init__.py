"""`guichet mail`."""
