"""Storage: implements every `ports.py` once, for SQLite and PostgreSQL."""

from wxgate.store.store import Store as Store
