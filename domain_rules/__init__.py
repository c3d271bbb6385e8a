"""Who an email address belongs to, decided without a network, a file or a clock.

The same code decides in the service, in its workers, on the command line and inside
Synapse. Import the module you need: `addresses` for one address, `rules` for the decision,
`advice` for what to tell a person, `reading` for lists and federation files, `user_ids`
and `names` for what an account is called.
"""
