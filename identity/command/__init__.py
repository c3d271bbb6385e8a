"""What every command of `guichet` uses: opening the service, printing, progress, exit codes."""
