"""Accounts on homeservers: agent or guest, their verified addresses, their sessions here, and their end."""
