"""The OpenID Connect provider of a realm: any standard client logs in with WeChat without knowing it.

    authorize ──door──> WeChat ──arrival──> code ──token──> access, refresh and ID token ──> userinfo
                                              └─ used twice: everything that came of it is revoked

What decides is pure: requests, claims, client authentication, the schedule of keys. The services around it
see storage through `wxgate.login.ports`; HTTP is in `wxgate.server.oidc`.
"""
