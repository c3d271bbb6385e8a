"""Third-party invitations: people invited to rooms by email address before they have an account."""
