"""/3pid/bind and /3pid/unbind, for clients and for homeservers."""
