"""The page of an account to be made: name, password, progress."""
