"""Health: what Guichet depends on is checked, for load balancers and for operators."""
