"""Sign-up: somebody types an address, and verifies it by a mailed code."""
