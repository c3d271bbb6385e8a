"""Decides which homeserver an email address belongs to, without network, files or clock.

The same code runs in the service, its workers, the command line and inside Synapse. Start with
`addresses` (one address), `rules` (the decision), `advice` (what to tell a person who typed an
address) and `reading` (lists and federation files). `rooms` holds the access rules of rooms,
`info_yaml` the import of a Tchap or Sydent file, `bulk_invites` the reading of lists of people, and
`synapse_modules` what runs inside Synapse.
"""
