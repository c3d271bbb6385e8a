"""The path prefix of the Matrix Identity Service API v2."""

V2 = "/_matrix/identity/v2"
