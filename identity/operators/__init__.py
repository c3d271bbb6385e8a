"""Operators: who may sign in to the console, how they prove it, and what their roles allow."""
