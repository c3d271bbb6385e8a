"""The service: it decides, proves, invites and creates accounts. The rules it decides by are in domain_rules."""
