"""What the service remembers: one module per table, holding the table and its questions."""
