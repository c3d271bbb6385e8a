"""What the worker does for invitations: delivery to homeservers, revocation, reminders and expiry."""
