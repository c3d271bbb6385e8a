"""Passkeys of operators (WebAuthn): added beside the app, then used in place of mailed code and app."""
