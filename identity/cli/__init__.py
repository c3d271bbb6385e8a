"""The command `guichet <noun> <verb>`: it gathers the commands of all stories."""
