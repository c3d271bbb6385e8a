"""Jobs of the worker: create accounts, and probe homeservers that did not answer."""
