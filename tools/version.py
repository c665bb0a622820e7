"""Shows, sets or checks the one version of all distributions, and the exact pins between them.

    python tools/version.py             show it
    python tools/version.py set 0.6.0   write it into each member, pins included
    python tools/version.py check       fail if the members disagree

The version is literal in each member, so that a member builds from its own folder and from its own sdist.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

PACKAGES = Path(__file__).parent.parent / "packages"
VERSION = re.compile(r'^version = "(?P<version>[^"]*)"$', re.MULTILINE)
REQUIREMENT = re.compile(r'(?<!name = )"(?P<member>cendry(?:-[a-z]+)?(?:\[[a-z,-]+\])?)(?P<pin>[=<>!~; ][^"]*)?"')
VALID = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?(?:\.post\d+)?(?:\.dev\d+)?")


def members() -> dict[str, Path]:
    """Return the members' `pyproject.toml`s by the members' names."""
    return {path.parent.name: path for path in sorted(PACKAGES.glob("*/pyproject.toml"))}


def versions() -> dict[str, str]:
    """Return the literal versions by the members' names."""
    found = {name: VERSION.search(path.read_text()) for name, path in members().items()}
    return {name: match["version"] if match else "none" for name, match in found.items()}


def disagreements() -> list[str]:
    """List the members whose version differs, and the pins between members that differ from it."""
    expected = versions()["cendry-core"]
    lines = [
        f"{name}: version {own}, but cendry-core has {expected}" for name, own in versions().items() if own != expected
    ]
    for name, path in members().items():
        dependencies = path.read_text().partition("dependencies")[2]
        lines += [
            f"{name}: {match[0]} is not pinned to =={expected}"
            for match in REQUIREMENT.finditer(dependencies)
            if match["pin"] != f"=={expected}"
        ]
    return lines


def write(version: str) -> None:
    """Set the version of all members and the pins between them."""
    for path in members().values():
        head, dependencies, tail = path.read_text().partition("dependencies")
        head = VERSION.sub(f'version = "{version}"', head)
        tail = REQUIREMENT.sub(lambda match: f'"{match["member"]}=={version}"', tail)
        path.write_text(head + dependencies + tail)


def main() -> int:
    """Run the command line's command; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("check")
    commands.add_parser("set").add_argument("version")
    options = parser.parse_args()
    if options.command == "set":
        if not VALID.fullmatch(options.version):
            print(f"{options.version!r} is not a version such as 0.6.0, 0.6.0rc1 or 0.6.0.dev1", file=sys.stderr)
            return 2
        write(options.version)
    if options.command is None:
        for name, version in versions().items():
            print(f"{name} {version}")
        return 0
    problems = disagreements()
    for line in problems:
        print(line, file=sys.stderr)
    if not problems:
        print(f"{', '.join(members())}: {versions()['cendry-core']}")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
