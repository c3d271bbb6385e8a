"""The tests mirror the tree of the code; `services/` holds the real servers they talk to."""
