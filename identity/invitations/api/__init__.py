"""Invitations for programs: the Matrix Identity Service API, and what homeservers ask."""
