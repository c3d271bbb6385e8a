"""Invitations for programs: the Matrix Identity Service API, and our API for homeservers."""
