"""The pages behind the links of an invitation's mail."""
