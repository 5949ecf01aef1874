"""Events: a verified push becomes a durable record, finds its handlers, and is answered once."""
