"""Custody: owns tickets, tokens, refresh tokens and authorizations.

    ticket ──> component token ──> pre_auth_code ──> (the merchant confirms)
                     │                                        │ authorization_code, twice
                     │                                        v
                     └───────────────> Exchanges: one durable job per code ──> authorization
                                                                                  │ refresh token, for ever
                                                                                  v
                                                                           authorizer token

Rules: whatever WeChat hands out once is committed before it is used; every token is keyed by (issuer,
account, kind); a token is fetched under a lease with a fence, so a slower, older answer never replaces a
newer one.
"""
