"""The keys of a deployment, as an operator hands them out: some to every process, one to the worker alone."""

from identity.core.sealing import new_pair

PRIVATE_HALF, PUBLIC_HALF = new_pair()
KEYS = {
    "GUICHET_SECRET_KEYS": "a-key-for-the-links-of-all-the-tests",
    "GUICHET_STORAGE_KEYS": "a-key-for-the-secrets-of-all-the-tests",
    "GUICHET_HOMESERVER_PUBLIC_KEY": PUBLIC_HALF.text,
}
WORKER_KEYS = {"GUICHET_HOMESERVER_KEYS": PRIVATE_HALF.get_secret_value()}
