"""A whole federation on this machine to try things out: `make demo`.

It runs three real Synapses with Guichet's module (for agents, for guests, for both), nginx in front
of the two with guests, a messenger in the browser, and Guichet with its worker and mailbox, all with
a private certificate authority. It sets them up as an operator would, in the order of
docs/synapse.md. Every start begins anew: it deletes the data of the previous one.
"""
