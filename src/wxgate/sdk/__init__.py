"""For applications: what they need of wxgate on their side, without the server and without its secrets."""
