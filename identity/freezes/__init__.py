"""Operators freeze what does harm: sign-ups, invitations, mails, one domain, or the console."""
