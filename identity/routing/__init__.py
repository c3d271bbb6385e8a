"""Routing: the rules in force, and which homeserver an address belongs to."""
