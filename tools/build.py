"""Builds the sdist of each member, and its wheel from that sdist, into one folder.

    python tools/build.py                     into dist/
    python tools/build.py --outdir FOLDER     elsewhere
    python tools/build.py --no-isolation      with the hatchling that is installed here

Files that an earlier build of the members left in that folder are removed first.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> int:
    """Build what the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outdir", type=Path, default=ROOT / "dist")
    parser.add_argument("--no-isolation", action="store_true", help="make no environment for each build")
    options = parser.parse_args()
    members = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
    isolation = ["--no-isolation"] if options.no_isolation else ["--installer", "uv"]
    for member in members:
        name = member.name.replace("-", "_")
        for old in [*options.outdir.glob(f"{name}-*.whl"), *options.outdir.glob(f"{name}-*.tar.gz")]:
            old.unlink()
        command = [sys.executable, "-m", "build", *isolation, "--outdir", str(options.outdir), str(member)]
        code = subprocess.run(command, check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
