"""Login over HTTP: realms, apps and clients; the people who logged in, and their sessions."""

from fastapi import APIRouter

from wxgate.server.management.login import clients, keys, openids, people, realms
from wxgate.server.node import Node


def make_router(node: Node) -> APIRouter:
    """Make the routes; all need a key for everything: login is not narrowed by platform or account."""
    router = APIRouter(prefix="/login", tags=["login"])
    for module in (realms, clients, people, openids, keys):
        module.add_routes(router, node)
    return router
