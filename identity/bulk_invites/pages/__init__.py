"""/lists: upload a list of people, check it, send it, and see the outcome."""
