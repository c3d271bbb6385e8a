"""The world outside: each call has a timeout, one class, and says which failures are final."""
