"""Log people in with WeChat through a wxgate gateway: an OpenID Connect client that knows WeChat's browser.

    core       decides: go on, send the visitor to the gateway, or refuse            (pure)
    oidc       makes the requests of OpenID Connect and reads the answers            (pure)
    provider   keeps what the gateway publishes: its endpoints and its keys
    flow       the pages of a login (start, callback, logout), as steps that yield what is to be fetched
    asgi, django, flask   fit that to a framework, each in less than a hundred lines

Nothing is kept on the server: a session is a sealed cookie, and so is every attempt to log in.
"""

from wxgate.sdk.login.core import Acr, Need, Policy
from wxgate.sdk.login.flow import Login
from wxgate.sdk.login.options import Options
from wxgate.sdk.login.session import Person
from wxgate.sdk.login.visit import Visit

__all__ = ["Acr", "Login", "Need", "Options", "Person", "Policy", "Visit"]
