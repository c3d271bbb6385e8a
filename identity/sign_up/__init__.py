"""Sign-up: a person types an email address and verifies it with a mailed code."""
