"""Registration: an account is created on a homeserver for a verified address."""
