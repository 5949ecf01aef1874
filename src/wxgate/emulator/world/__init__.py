"""What is true in the emulator: pure rules and facts, split by topic, held together by World."""

from wxgate.emulator.world.entities import Account, Kind, Platform, Server, User
from wxgate.emulator.world.page_errors import LinkRefusal, PageRefusal
from wxgate.emulator.world.refusals import refusal
from wxgate.emulator.world.world import Granted, World

__all__ = [
    "Account",
    "Granted",
    "Kind",
    "LinkRefusal",
    "PageRefusal",
    "Platform",
    "Server",
    "User",
    "World",
    "refusal",
]
