"""Camille in every table that can hold somebody: who she is, what fills the tables, where she may stand."""
