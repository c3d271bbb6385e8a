"""The endpoints that bind and unbind addresses, for clients and for homeservers."""
