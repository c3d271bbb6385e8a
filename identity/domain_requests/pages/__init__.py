"""The pages on which somebody asks for their domain, and reads what became of it."""
