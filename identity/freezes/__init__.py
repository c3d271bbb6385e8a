"""Operators freeze what does harm: sign-ups, invitations, mails, or one domain."""
