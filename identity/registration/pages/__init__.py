"""The last pages of a sign-up: name and password, progress, welcome."""
