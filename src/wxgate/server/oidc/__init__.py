"""The OpenID provider over HTTP: one issuer for each realm, under /oidc/{realm}."""
