"""The console of operators: what waits for them, what they look at, and what they may do."""
