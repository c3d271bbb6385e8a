"""Bulk invites: a list of people is checked, and all of them are invited to one room."""
