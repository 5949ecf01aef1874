"""Speaks to WeChat: one transport, the component API, and calls on behalf of an account; knows no storage."""
