"""Homeservers of the federation: register, credentials, secrets, and the clients to call them."""
