"""Binding: an address is associated with a user ID, and its waiting invitations are delivered."""
