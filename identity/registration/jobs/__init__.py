"""What the worker does for registration: accounts are made, and homeservers that were away are tried again."""
