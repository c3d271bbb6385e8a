"""Worlds that tests play in: their fixtures, people and helpers. A test says which one it is in by its import."""
