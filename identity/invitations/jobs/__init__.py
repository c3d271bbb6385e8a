"""Jobs about invitations: delivery to homeservers, revocation, room checks, reminders."""
