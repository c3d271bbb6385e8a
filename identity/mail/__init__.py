"""Outgoing mail: stored, limited, rendered, sent by SMTP, and what became of it."""
