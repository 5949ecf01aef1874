"""Real servers for tests: PostgreSQL, Chromium, and wxgate's own processes."""
