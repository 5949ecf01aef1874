"""The ASGI server: WeChat's pushes, the merchants' pages, probes and metrics."""
