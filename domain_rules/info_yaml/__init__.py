"""Imports the info.yaml of a Tchap or Sydent server as rules, with a proof of the import.

`reading` makes the rules, `regex_shapes` understands the patterns, `lint` finds mistakes in the
file, `proof` compares old and new answers for addresses that `probe_addresses` makes up, and
`legacy_lookup` answers as the old server did.
"""
