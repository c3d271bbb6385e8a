"""Health checks: /healthz and /readyz for load balancers, `guichet doctor` for operators."""
