"""How the demo tells its story: line by line, or not at all."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.padding import Padding
from rich.status import Status
from rich.text import Text

from wxgate.cli.output import facts, stdout

if TYPE_CHECKING:
    from wxgate.cli.story import Result, Step

NAME_WIDTH = 17


class Teller:
    """Tells the story line by line; at a terminal, what is under way shows as it moves."""

    def __init__(self) -> None:
        self._number = 0
        self._moving: Status | None = None

    def note(self, text: str) -> None:
        """Show what is being prepared."""
        self._move(f"{text} …")

    def start(self, emulator: str, gateway: str) -> None:
        """Introduce the two processes."""
        self.pause()
        stdout().print("[bold]wxgate demo[/]  微信开放平台，装在一个盒子里\n")
        stdout().print(facts({"  WeChat in a box": emulator, "  gateway": gateway}))
        stdout().print()

    def begin(self, step: "Step") -> None:
        """Show that a step is under way."""
        self._number += 1
        self._move(f"{step.name}: {step.title} …")

    def end(self, result: "Result") -> None:
        """Show how a step went."""
        self.pause()
        mark, colour = {True: ("✓", "green"), False: ("✗", "red"), None: ("–", "dim")}[result.ok]
        step = result.step
        name = f"[{colour}]{mark}[/] [bold]{step.name:{NAME_WIDTH}}[/]"
        took = "skipped" if result.ok is None else f"{result.ms} ms"
        stdout().print(f"{name} {step.title} · {step.title_zh}  [dim]{took}[/]")
        for fact in result.facts:
            self._indent(fact, "dim" if result.ok else "red")

    def invite(self, addresses: dict[str, str], folder: Path) -> None:
        """Show where to look next."""
        stdout().print("\nStill up. Look around:")
        shown = {f"  {name.replace('_', ' ')}": address for name, address in addresses.items()}
        stdout().print(facts({**shown, "  database and logs": folder}))
        stdout().print("\nCtrl-C ends it.", style="dim")

    def pause(self) -> None:
        """Take away what moves."""
        if self._moving is not None:
            self._moving.stop()
            self._moving = None

    def _indent(self, fact: str, style: str) -> None:
        """Print a line under a step; at a terminal, what is too long goes on under itself."""
        indent = NAME_WIDTH + 3
        if stdout().is_terminal:
            stdout().print(Padding(Text(fact, style), (0, 0, 0, indent)), soft_wrap=False)
        else:
            stdout().print(" " * indent + fact, markup=False)

    def _move(self, text: str) -> None:
        self.pause()
        if stdout().is_terminal:
            self._moving = stdout().status(escape(text), spinner="dots")
            self._moving.start()


class Silent(Teller):
    """Says nothing: the JSON at the end says it all."""

    def start(self, emulator: str, gateway: str) -> None:
        """Say nothing."""

    def end(self, result: "Result") -> None:
        """Say nothing."""

    def _move(self, text: str) -> None:
        pass
