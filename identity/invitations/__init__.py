"""Third-party invitations: somebody is invited by email address before anybody is known to have it."""
