"""The endpoints that our module in a homeserver calls."""
