"""Homeservers of the federation: their registry, credentials and secrets, and the ways they are called."""
