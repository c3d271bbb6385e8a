"""A whole federation on this machine, to try things on: `make demo`.

Three real Synapses with Guichet's module (of agents, of guests, of both), nginx before the two that have
guests, Guichet with its worker and mailbox, a private certificate authority; set up as an operator would, in the order of
docs/synapse.md. Every start begins afresh: what the last one left in its folder is deleted.
"""
