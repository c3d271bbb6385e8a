"""The command `guichet doctor` and its checks."""
