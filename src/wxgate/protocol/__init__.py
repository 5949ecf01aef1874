"""WeChat's wire formats as pure functions: no I/O, no clock and no randomness of their own."""
