"""Where the Matrix Identity Service API v2 begins."""

V2 = "/_matrix/identity/v2"
