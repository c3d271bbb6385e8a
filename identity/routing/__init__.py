"""Routing: the rules in force, and which homeserver they say an address belongs to."""
