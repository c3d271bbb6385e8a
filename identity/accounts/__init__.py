"""Accounts on homeservers: their class, verified addresses, browser sessions and end."""
