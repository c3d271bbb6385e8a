"""Jobs of bulk invites: sending a row, checking a room."""
