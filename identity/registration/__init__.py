"""Registration: from a verified address to an account on its homeserver."""
