"""/lists: hand in a list of people, check it, send it, and see what became of it."""
