"""`python -m tests.chaos --minutes 2 --seed 7`: a chaos run from the command line."""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import Options, Report, run
from tests.chaos.sabotage import SABOTAGES
from wxgate.logs import configure_logs


def main() -> int:
    """Run, print the report, and return 1 when something was violated."""
    options, as_json = _read_arguments()
    configure_logs("error", "text")
    folder = Path(tempfile.mkdtemp(prefix="wxgate-chaos-"))
    report = asyncio.run(run(options, folder, lambda line: print(f"... {line}", file=sys.stderr, flush=True)))
    if as_json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        _print(report)
    return 1 if report.violations else 0


def _read_arguments() -> tuple[Options, bool]:
    parser = argparse.ArgumentParser("python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="how long faults are injected")
    parser.add_argument("--seed", type=int, default=1, help="draws the plan of the faults")
    parser.add_argument("--database", choices=["postgres", "sqlite"], default="postgres")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--users", type=int, default=4, help="how many write at once")
    parser.add_argument("--sabotage", choices=sorted(SABOTAGES), help="break a promise, to see it noticed")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    options = Options(
        given.minutes * 60, given.seed, given.database, given.nodes, given.users, given.sabotage
    )
    return options, given.json


def _print(report: Report) -> None:
    for title, counts in (("faults injected", report.faults), ("seen", report.counts)):
        print(f"{title}: {sum(counts.values()) if counts is report.faults else ''}")
        for name, number in sorted(counts.items()):
            print(f"  {number:6} {name}")
    print(f"violations: {len(report.violations)}")
    for violation in report.violations:
        print(f"  {violation}")
    options = report.options
    again = f"--minutes {options.seconds / 60:g} --seed {options.seed} --database {options.engine}"
    print(f"again: python -m tests.chaos {again}   (logs in {report.folder})")


if __name__ == "__main__":
    sys.exit(main())
