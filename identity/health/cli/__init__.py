"""`guichet doctor`, and the checks it makes."""
