"""People ask for their domain to be opened; operators look at the evidence and decide."""
