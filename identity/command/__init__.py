"""What all commands of `guichet` share: opening the services, printing, progress, exit codes."""
