"""Counts the lines of models, schemas and errors: `python tests/count_lines.py`."""

from __future__ import annotations

import ast
from pathlib import Path

FOLDER = Path(__file__).parents[1]
MODELS = FOLDER / "app" / "models.py"
OURS = [MODELS, FOLDER / "app" / "bodies.py"]
BY_HAND = [MODELS, FOLDER / "tests" / "by_hand" / "schemas.py", FOLDER / "tests" / "by_hand" / "errors.py"]


def lines(path: Path) -> int:
    """Count the lines that have code, without docstrings and imports."""
    text = path.read_text(encoding="utf-8")
    counted = {number for number, line in enumerate(text.splitlines(), 1) if line.partition("#")[0].strip()}
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom():
                counted -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
            case _:
                pass
    return len(counted)


def main() -> None:
    for name, paths in (("ours", OURS), ("by hand", BY_HAND)):
        print(f"{name}: {sum(map(lines, paths))}", {path.name: lines(path) for path in paths})


if __name__ == "__main__":
    main()
