"""The management API: what an operator's own tools do with platforms, accounts, API keys and quotas.

app    admits, limits, counts and audits every request, and hands it to FastAPI
given  what bodies of requests have in common
scope  what a key that may manage may reach

The other modules are the routes, one for each kind of thing.
"""
