"""Login with WeChat: attempts, identities, sessions, and the OpenID Connect provider on top of them."""
