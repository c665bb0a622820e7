"""How far a job has come: JSON files with a format, and the state of each shard, which belongs to one plan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, cast
from urllib.parse import quote

from .._immutable import dataclass
from ..errors import JobFileError
from .store import Store

FORMAT: Final = 1
"""The format of the files that this version writes, and the only one it reads."""

_MAX_LENGTH: Final = 100


def find_json(store: Store, name: str, version: int = FORMAT) -> dict[str, Any] | None:
    """Read a JSON file with a format, if there is one.

    Args:
        store: Where it is.
        name: Its name.
        version: The format that is read.

    Returns:
        The object in it, with its `"format"`; `None` if there is no file.

    Raises:
        JobFileError: It is not a JSON object, or of another format.
        JobStoreError: It can't be read.
    """
    content = store.get(name)
    if content is None:
        return None
    found = parse(name, content)
    if found.get("format") != version or isinstance(found["format"], bool):
        raise JobFileError.of_format(name, found.get("format"), version)
    return found


def read_json(store: Store, name: str, version: int = FORMAT) -> dict[str, Any]:
    """Read a JSON file with a format.

    Args:
        store: Where it is.
        name: Its name.
        version: The format that is read.

    Returns:
        The object in it, with its `"format"`.

    Raises:
        JobFileError: It does not exist, is not a JSON object, or of another format.
        JobStoreError: It can't be read.
    """
    found = find_json(store, name, version)
    if found is None:
        raise JobFileError.missing(name)
    return found


def write_json(store: Store, name: str, data: Mapping[str, Any], *, indent: int | None = None) -> None:
    """Write a JSON file.

    Args:
        store: Where it is.
        name: Its name.
        data: The object; without a `"format"`, it gets the one of this version.
        indent: Spaces per level, for files that people read; `None` for one line.

    Raises:
        JobStoreError: It can't be written.
    """
    store.put(name, dump({"format": FORMAT, **data}, indent=indent))


def dump(data: Mapping[str, Any], *, indent: int | None = None) -> bytes:
    """An object as JSON in UTF-8, with a newline at its end."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(data, ensure_ascii=False, separators=separators, indent=indent, allow_nan=False)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        # A lone surrogate has no UTF-8, but an escape.
        return json.dumps(data, separators=separators, indent=indent).encode() + b"\n"


def parse(name: str, content: bytes, *, line: int = 1) -> dict[str, Any]:
    """The object in some JSON.

    Args:
        name: The name of the file that has it.
        content: The JSON.
        line: The line of the file in which it begins.

    Raises:
        JobFileError: It is not a JSON object.
    """
    try:
        found: object = json.loads(content.decode())
    except json.JSONDecodeError as error:
        raise JobFileError(name, error.msg, line=line + error.lineno - 1) from None
    except UnicodeDecodeError as error:
        at = line + content.count(b"\n", 0, error.start)
        raise JobFileError(name, f"it is not UTF-8: {error.reason}", line=at) from None
    except (RecursionError, ValueError) as error:
        raise JobFileError(name, f"it is not plain JSON: {error}", line=line) from None
    if not isinstance(found, dict):
        raise JobFileError(name, f"it holds a {type(found).__name__}, not an object", line=line)
    return cast("dict[str, Any]", found)


def shard_name(kind: str, number: int) -> str:
    """The name of a shard in the names of its files.

    Any kind has one that every disk takes: other characters are escaped as in URLs, and a long one is cut and gets a
    hash.

    Args:
        kind: The kind or collection.
        number: The number of the shard.
    """
    name = quote(kind.encode("utf-8", "surrogatepass"), safe="").replace("*", "%2A")
    if len(name) > _MAX_LENGTH:
        name = f"{name[:_MAX_LENGTH]}~{blake2b(name.encode(), digest_size=8).hexdigest()}"
    return f"{name}-{number:03d}"


@dataclass(frozen=True, slots=True)
class ShardState:
    """How far a shard has come.

    Attributes:
        plan: The hash of the plan that the shard belongs to.
        after: The last key that is done, in hexadecimal; empty at the beginning.
        copied: How many documents are done.
        dead: How many were given up, and are among the dead letters.
        done: Whether the shard is complete.
    """

    plan: str
    after: str = ""
    copied: int = 0
    dead: int = 0
    done: bool = False

    def to_json(self) -> dict[str, Any]:
        """The state as an object of JSON."""
        return {
            "plan": self.plan,
            "after": self.after,
            "copied": self.copied,
            "dead": self.dead,
            "done": self.done,
        }

    @classmethod
    def from_json(cls, name: str, data: Mapping[str, Any]) -> ShardState:
        """The state that an object of JSON describes.

        Args:
            name: The name of its file.
            data: The object.

        Raises:
            JobFileError: It describes none.
        """
        plan, after = data.get("plan"), data.get("after")
        if not isinstance(plan, str):
            raise JobFileError(name, f"'plan' is {plan!r}, not a hash")
        if not isinstance(after, str) or not _is_hex(after):
            raise JobFileError(name, f"'after' is {after!r}, not a key in hexadecimal")
        copied, dead = _count(name, data, "copied"), _count(name, data, "dead")
        done = data.get("done")
        if not isinstance(done, bool):
            raise JobFileError(name, f"'done' is {done!r}, neither true nor false")
        return cls(plan, after, copied, dead, done)


def _count(name: str, data: Mapping[str, Any], of: str) -> int:
    count: object = data.get(of)
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise JobFileError(name, f"{of!r} is {count!r}, not a count")
    return count


def _is_hex(text: str) -> bool:
    try:
        bytes.fromhex(text)
    except ValueError:
        return False
    return " " not in text


def load_state(store: Store, name: str, plan_hash: str) -> ShardState:
    """Read the state of a shard.

    Args:
        store: Where it is.
        name: The name of its file, such as `state/Shop-001.json`.
        plan_hash: The hash of the plan it must belong to.

    Returns:
        The state; that of a beginning if there is no file.

    Raises:
        JobFileError: The file is no state, or that of another plan.
        JobStoreError: It can't be read.
    """
    found = find_json(store, name)
    if found is None:
        return ShardState(plan_hash)
    state = ShardState.from_json(name, found)
    if state.plan != plan_hash:
        raise JobFileError.of_another_plan(name, state.plan, plan_hash)
    return state


def save_state(store: Store, name: str, state: ShardState) -> None:
    """Write the state of a shard; call it after what it describes is done, and after `JobLock.check`.

    Raises:
        JobStoreError: It can't be written.
    """
    write_json(store, name, state.to_json())
