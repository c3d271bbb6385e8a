"""The real servers the tests talk to, each started by the suite and stopped by it."""
