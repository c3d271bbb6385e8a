"""Binding: an address is associated with a user ID, and the invitations that waited for it follow."""
