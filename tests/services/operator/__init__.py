"""The machine on which the operator's page is tried."""
