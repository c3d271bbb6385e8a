"""Maintenance: what is kept how long, and sealing secrets anew."""
