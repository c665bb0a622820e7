"""Generates the sync twins of async modules, or checks that the committed ones are up to date.

    python tools/twins.py           write the stale ones, and format them if ruff is installed
    python tools/twins.py --check   fail if one is stale

The source of a twin is a module or folder called `aio` or `..._aio`; what is generated is called `sync` or `..._sync`
and stands beside it. A single class or function of another module has its twin in that module, between the comments

    # Generated from AsyncName by tools/twins.py; do not edit.
    # End of what is generated.

In the sync twin

- `async` and `await` are gone, and `[x async for x in y]` is `list(y)`;
- `AsyncName` is `Name`, `async_name` is `name`, `name_aio` is `name_sync`, and other names are those of `NAMES`;
- `Awaitable[X]` and `Coroutine[Any, Any, X]` are `X`, and calls of what only awaits its argument (`PASSED`) are it;
- comments, docstrings and messages follow (`PROSE`, `SENTENCES`);
- imports that are no longer used are dropped.

Where twins differ in more than that, the source says so in comments:

    statement  # async-only          the statement, with all that stands in it, is left out
    line  # sync: other line         the line is replaced, by what is written there to the letter
    # sync: line                     the line is added

The check compares syntax trees and comments, so neither the order of imports nor the version of the formatter matters.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import shutil
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parent.parent
HEADER: Final = "# Generated from {} by tools/twins.py; do not edit."
SECTION: Final = re.compile(
    rf"^{HEADER.format('(?P<name>[a-zA-Z_]+)')}\n(?P<twin>.*?)^# End of what is generated\.$", re.MULTILINE | re.DOTALL
)

NAMES: Final = {
    "AbstractAsyncContextManager": "AbstractContextManager",
    "AsyncOnly": "SyncOnly",
    "StopAsyncIteration": "StopIteration",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "aclose": "close",
    "aiter": "iter",
    "anext": "next",
    "asynccontextmanager": "contextmanager",
}
"""Names whose sync form does not follow from a rule."""

WRAPPERS: Final = {"Awaitable": 0, "Coroutine": 2}
"""Types that say that something is awaited, and the place of its own type among their arguments."""

PASSED: Final = {"to_the_end"}
"""Functions that only await what they are given."""

PROSE: Final = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"\b([Aa])n ([`'\"]?)async (?=with\b|for\b|function\b)", r"\1 \2"),
        (r"\basync (?=with\b|for\b)", ""),
        (r"\basync (?=code\b|twin\b)", "sync "),
        (r"\b([Aa])n ([`'\"]?)Async(?=[A-Z])", r"\1 \2"),
        (r"\bAsync(?=[A-Z])", ""),
        (r"\ba(close|next|iter)\b", r"\1"),
    ]
]
"""How words of comments, docstrings and messages change."""

SENTENCES: Final = {
    "the async twin, from which the sync one is generated.": "the sync twin, which is generated from the async one.",
    "later change, in the event loop that runs now.": "later change, from one of the backend's threads.",
    " SDK, for the running event loop.": " SDK.",
    " between tasks and event loops.": " between threads.",
    "from several tasks and event loops at once.": "from several threads at once.",
    " of the database for the running event loop,": " of the database,",
    "\n    Reads are awaited; writes are queued without.": "",
    " Its methods are awaited: they wait while too": " Its methods wait while too",
    " use in each event loop,": " use,",
    "Firestore in Datastore mode; has no async twin |": "Firestore in Datastore mode |",
    "\n            UnsupportedByBackendError: The database has no async twin.": "",
    # cendry_memory
    (
        "Nothing ever waits for another task; but every call lets other tasks run once, as a call over a network would,"
        "\n    so that races show."
    ): (
        "Nothing ever waits: where Firestore's locks would make a call wait for a transaction, the transaction is "
        "aborted\n    at its next read or its commit instead, and contexts try it again."
    ),
    "Whether all were notified in time.": """Whether all were notified in time.

        Raises:
            RuntimeError: A listener's callback asks for it, and would wait for itself.""",
}
"""What is said of one twin and not of the other, to the letter."""


class Edit(NamedTuple):
    """A stretch of a source, by offsets, and what takes its place."""

    start: int
    end: int
    text: str


class Source:
    """The text of a module, with its tokens and the offsets of its lines."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.splitlines(keepends=True)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))
        self.tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))

    def offset(self, place: tuple[int, int]) -> int:
        """The offset of a line and column."""
        return self.starts[place[0] - 1] + place[1]

    def closing(self, index: int) -> int:
        """The index of the token that closes the bracket at `index`."""
        depth = 0
        for here in range(index, len(self.tokens)):
            if self.tokens[here].string in ("(", "[", "{"):
                depth += 1
            elif self.tokens[here].string in (")", "]", "}"):
                depth -= 1
                if depth == 0:
                    return here
        raise ValueError("a bracket is not closed")


def sync_of(text: str) -> str:
    """The sync twin of a module, unformatted."""
    source = Source(text)
    edits: list[Edit] = []
    # Markers go before rules, and what is left out takes all that stands in it along.
    for edit in [*sorted(marked_edits(source)), *token_edits(source)]:
        if not any(one.start <= edit.start < one.end for one in edits):
            edits.append(edit)
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return without_unused_imports(text)


# Markers


def marked_edits(source: Source) -> Iterator[Edit]:
    """What the comments for this tool ask for."""
    statements = {one.lineno: one for one in ast.walk(ast.parse(source.text)) if isinstance(one, ast.stmt)}
    for token in source.tokens:
        if token.type != tokenize.COMMENT:
            continue
        number, column = token.start
        line = source.starts[number - 1]
        code = source.lines[number - 1][:column]
        if token.string == "# async-only":
            statement = statements.get(number)
            if statement is None:
                raise ValueError(f"line {number}: no statement begins where '# async-only' stands")
            decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
            first = min([statement.lineno, *(one.lineno for one in decorators)])
            yield Edit(source.starts[first - 1], source.starts[statement.end_lineno or number], "")
        elif token.string.startswith("# sync:"):
            indent = len(code) - len(code.lstrip()) if code.strip() else column
            text = token.string.removeprefix("# sync:").removeprefix(" ")
            yield Edit(line + (indent if text else 0), line + column + len(token.string), text)


# Tokens


def token_edits(source: Source) -> Iterator[Edit]:
    """The changes that follow from rules."""
    tokens = source.tokens
    for index, token in enumerate(tokens[:-1]):
        start, end = source.offset(token.start), source.offset(token.end)
        following = tokens[index + 1]
        if token.type == tokenize.NAME:
            if token.string in ("async", "await"):
                yield Edit(start, source.offset(following.start), "")
            elif token.string in WRAPPERS and following.string == "[":
                yield from _unwrapped(source, index, WRAPPERS[token.string])
            elif token.string in PASSED and following.string == "(":
                yield from _unwrapped(source, index, 0)
            elif token.string != (name := sync_name(token.string)):
                yield Edit(start, end, name)
        elif token.string == "[" and _collects(source, index):
            close = tokens[source.closing(index)]
            yield Edit(start, source.offset(tokens[index + 2].start), "list(")
            yield Edit(source.offset(tokens[index + 3].start), source.offset(tokens[index + 6].start), "")
            yield Edit(source.offset(close.start), source.offset(close.end), ")")
        elif _is_text(token):
            prose = sync_prose(token.string)
            if prose != token.string:
                yield Edit(start, end, prose)


def sync_name(name: str) -> str:
    """What a name is called in the sync twin."""
    if name in NAMES:
        return NAMES[name]
    name = re.sub(r"^(_*)Async(?=[A-Z])", r"\1", name)
    return re.sub(r"(?:^|(?<=_))aio$", "sync", re.sub(r"(?:^|(?<=_))async_", "", name))


def sync_prose(text: str) -> str:
    """What is said of the sync twin."""
    for ours, theirs in SENTENCES.items():
        text = text.replace(ours, theirs)
    for pattern, replacement in PROSE:
        text = pattern.sub(replacement, text)
    return text


def _unwrapped(source: Source, index: int, skipped: int) -> Iterator[Edit]:
    close = source.closing(index + 1)
    first, depth = index + 2, 0
    while skipped:
        string = source.tokens[first].string
        depth += (string == "[") - (string == "]")
        skipped -= string == "," and depth == 0
        first += 1
    yield Edit(source.offset(source.tokens[index].start), source.offset(source.tokens[first].start), "")
    yield Edit(source.offset(source.tokens[close].start), source.offset(source.tokens[close].end), "")


def _collects(source: Source, index: int) -> bool:
    words = [token.string for token in source.tokens[index + 1 : index + 6]]
    if len(words) < 5 or [words[1], words[2], words[4]] != ["async", "for", "in"] or words[0] != words[3]:
        return False
    inside = [token.string for token in source.tokens[index + 6 : source.closing(index)]]
    return "if" not in inside and "for" not in inside


def _is_text(token: tokenize.TokenInfo) -> bool:
    # Since Python 3.12, an f-string is several tokens.
    kind = tokenize.tok_name[token.type]
    return kind in ("STRING", "FSTRING_MIDDLE") or (kind == "COMMENT" and not token.string.startswith("# sync:"))


# Imports


def without_unused_imports(text: str) -> str:
    """A module without imports of what it doesn't use, and without a second import of the same name."""
    source = Source(text)
    tree = ast.parse(text)
    imports = [one for one in ast.walk(tree) if isinstance(one, (ast.Import, ast.ImportFrom))]
    lines = {number for one in imports for number in range(one.lineno, (one.end_lineno or one.lineno) + 1)}
    documentation = {id(one) for one in docstrings(tree)}
    used = {token.string for token in source.tokens if token.start[0] not in lines and token.type == tokenize.NAME}
    for one in ast.walk(tree):
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in documentation:
            used.update(re.findall(r"\w+", one.value))
        elif isinstance(one, ast.Name):
            # On Python 3.11 and before, an f-string is one token.
            used.add(one.id)
    for statement in sorted(imports, key=lambda one: one.lineno, reverse=True):
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            continue
        names = list(dict.fromkeys(ast.unparse(one) for one in statement.names))
        kept = [one for one in names if " as " in one or one.partition(".")[0] in used]
        if len(kept) == len(statement.names):
            continue
        start, end = source.starts[statement.lineno - 1], source.starts[statement.end_lineno or statement.lineno]
        head = " " * statement.col_offset
        if isinstance(statement, ast.ImportFrom):
            head += f"from {'.' * statement.level}{statement.module or ''} "
        text = text[:start] + (f"{head}import {', '.join(kept)}\n" if kept else "") + text[end:]
    return text


def docstrings(tree: ast.Module) -> Iterator[ast.expr]:
    """The docstrings of a module, its classes and its functions."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and isinstance(node.body[0], ast.Expr):
            yield node.body[0].value


# Comparing


def same(ours: str, theirs: str) -> bool:
    """Whether two modules differ in nothing but their layout and the order of their imports."""
    if _comments(ours) != _comments(theirs):
        return False
    return _dumped(ours) == _dumped(theirs)


def _comments(text: str) -> list[str]:
    return [token.string for token in Source(text).tokens if token.type == tokenize.COMMENT]


def _dumped(text: str) -> str:
    tree = ast.parse(text)
    imports = sorted(
        f"{'.' * getattr(one, 'level', 0)}{getattr(one, 'module', '')} {ast.unparse(name)}"
        for one in ast.walk(tree)
        if isinstance(one, (ast.Import, ast.ImportFrom))
        for name in one.names
    )
    rest = ast.dump(_WithoutImports().visit(tree))
    return "\n".join([*imports, rest])


class _WithoutImports(ast.NodeTransformer):
    def visit_Import(self, node: ast.Import) -> None:
        """Drop it."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Drop it."""


# Files


def twin_of(path: Path) -> Path | None:
    """Where the sync twin of a file stands; `None` if the file isn't the source of one."""
    parts = list(path.parts)
    for index in range(len(parts) - 1, -1, -1):
        stem, dot, suffix = parts[index].partition(".")
        if re.search(r"(?:^|_)aio$", stem):
            parts[index] = f"{stem.removesuffix('aio')}sync{dot}{suffix}"
            return Path(*parts)
    return None


def modules(root: Path) -> Iterator[Path]:
    """The modules of packages and tests."""
    for folder in [*root.glob("packages/*/src"), root / "tests"]:
        yield from sorted(folder.rglob("*.py"))


def stale(root: Path) -> dict[Path, str | None]:
    """The modules that are not what their sources give, and what they should be; `None` for one without a source."""
    found: dict[Path, str | None] = {}
    paths = list(modules(root))
    twins = {root / twin: path for path in paths if (twin := twin_of(path.relative_to(root)))}
    for path in sorted({*paths, *twins}):
        source = twins.get(path, path)
        try:
            if path in twins:
                name = source.relative_to(path.parent.parent).as_posix()
                text = f"{HEADER.format(name)}\n{sync_of(source.read_text())}"
                if not path.exists() or not same(text, path.read_text()):
                    found[path] = text
            elif (text := path.read_text()).startswith(HEADER.partition("{}")[0]):
                found[path] = None
            elif (renewed := with_twins(text)) != text:
                found[path] = renewed
        except (SyntaxError, ValueError) as error:
            raise SystemExit(f"{source.relative_to(root)}: {error}") from error
    return found


def with_twins(text: str) -> str:
    """A module whose classes and functions have their twins beside them, with those that are stale renewed."""
    for match in reversed(list(SECTION.finditer(text))):
        [source] = [
            ast.get_source_segment(text, one) or ""
            for one in ast.parse(text).body
            if isinstance(one, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and one.name == match["name"]
        ]
        twin = sync_of(source + "\n")
        if not same(twin, match["twin"]):
            text = text[: match.start("twin")] + twin + text[match.end("twin") :]
    return text


def unused_sentences(root: Path) -> list[str]:
    """The entries of `SENTENCES` that no source says any more."""
    texts = [path.read_text() for path in modules(root)]
    return [one for one in SENTENCES if not any(one in text for text in texts)]


def write(twins: dict[Path, str | None]) -> None:
    """Write twins, remove those without a source, and format what was written."""
    for path, text in twins.items():
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    written = [str(path) for path, text in twins.items() if text is not None]
    if written and ruff is None:
        print("ruff is not installed here: format what was written by `hatch run lint:fix`", file=sys.stderr)
    elif written and ruff is not None:
        subprocess.run([ruff, "check", "--quiet", "--fix", "--select", "I", *written], check=True)
        subprocess.run([ruff, "format", "--quiet", *written], check=True)


def main() -> int:
    """Do what the command line says; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if a twin is stale")
    options = parser.parse_args()
    twins = stale(ROOT)
    unused = unused_sentences(ROOT)
    for sentence in unused:
        print(f"tools/twins.py: no source says {sentence!r} any more; drop it from SENTENCES", file=sys.stderr)
    if not options.check:
        write(twins)
    for path, text in twins.items():
        name = path.relative_to(ROOT)
        if not options.check:
            print(f"{name}: {'removed' if text is None else 'written'}")
        elif text is None:
            print(f"{name} has no source any more; run: python tools/twins.py", file=sys.stderr)
        else:
            print(f"{name} is stale; run: python tools/twins.py", file=sys.stderr)
    return 1 if unused or (twins and options.check) else 0


if __name__ == "__main__":
    raise SystemExit(main())
