"""What the service does, told without HTTP: one module per story. Nothing here commits, sends or calls out."""
