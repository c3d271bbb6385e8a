"""What `guichet doctor` checks: by a command, and by the worker every five minutes."""
