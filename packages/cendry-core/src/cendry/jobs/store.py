"""Where the files of a long job are: a directory, or a store such as a bucket. A file is whole, or not there."""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from ..errors import JobStoreError

_fcntl: Any
try:
    import fcntl as _fcntl
except ImportError:  # Windows
    _fcntl = None

TEMPORARY: Final = ".tmp"
"""The end of the names of files that are being written; after a kill they may remain."""

MAX_AGE: Final = 3600.0
"""Seconds after which a temporary file belongs to nobody."""

_BINARY: Final = getattr(os, "O_BINARY", 0)
_CAN_SYNC_DIRECTORIES: Final = os.name != "nt"


FileNames: TypeAlias = "list[str]"
"""Names; classes that have a method `list` can't call the type by its name."""


class Store(Protocol):
    """Named pieces of data that outlast a process.

    Names are relative and have segments, divided by `/`. After `put`, a reader finds the old data or the new one, also
    if the process or the machine ends midway.
    """

    def get(self, name: str, /) -> bytes | None:
        """Return the data of a name, or `None` if there is none."""
        ...

    def put(self, name: str, data: bytes, /) -> None:
        """Set the data of a name; when this returns, it is durable."""
        ...

    def list(self, prefix: str = "", /) -> FileNames:
        """Return the names that begin with a prefix, in ascending order."""
        ...

    def delete(self, name: str, /) -> None:
        """Remove a name, if it is there."""
        ...


class RealFiles:
    """Calls of the operating system that `LocalStore` makes; tests replace some to record them, or to let one fail."""

    def open(self, path: Path, flags: int) -> int:
        """Open a file."""
        return os.open(path, flags | _BINARY, 0o644)

    def read(self, path: Path) -> bytes:
        """Read a whole file."""
        return path.read_bytes()

    def write(self, descriptor: int, data: bytes) -> int:
        """Write some of the data to an open file; return how many bytes."""
        return os.write(descriptor, data)

    def size(self, descriptor: int) -> int:
        """The bytes of an open file."""
        return os.fstat(descriptor).st_size

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut an open file."""
        os.ftruncate(descriptor, size)

    def fsync(self, descriptor: int) -> None:
        """Make what was written to an open file durable."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close a file."""
        os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name, in place of the file that has it."""
        os.replace(source, target)

    def fsync_directory(self, path: Path) -> None:
        """Make the names in a directory durable."""
        if not _CAN_SYNC_DIRECTORIES:
            return
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def make_directory(self, path: Path) -> None:
        """Make a directory in one that exists."""
        path.mkdir(exist_ok=True)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()

    def files(self, path: Path) -> list[Path]:
        """All files in a directory and below."""
        return [Path(at, name) for at, _, names in os.walk(path, onerror=_raise) for name in names]

    def modified(self, path: Path) -> float:
        """When a file was written last, in seconds since 1970."""
        return path.stat().st_mtime

    def lock(self, descriptor: int) -> bool | None:
        """Lock an open file until it is closed, or until the process ends.

        Returns:
            Whether it is locked now; `False` if another process has locked it, `None` if files can't be locked here.
        """
        if _fcntl is None:
            return None
        try:
            _fcntl.flock(descriptor, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
        except OSError as error:
            # Network disks may not have locks at all.
            return False if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else None
        return True


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


class LocalStore:
    """A directory on a disk; it is made with the first file.

    Args:
        directory: Its path.
        files: The calls of the operating system.

    Raises:
        JobStoreError: By all methods: the disk is full, permissions are missing.
        ValueError: By all methods: a name is not valid.
    """

    __slots__ = ("_files", "directory")

    def __init__(self, directory: str | os.PathLike[str], files: RealFiles | None = None) -> None:
        self.directory = Path(directory)
        self._files = RealFiles() if files is None else files

    def __repr__(self) -> str:
        return f"LocalStore({str(self.directory)!r})"

    def get(self, name: str, /) -> bytes | None:
        """Return the content of a file, or `None` if there is none."""
        path = self._path(name)
        with self._errors(name, "read"):
            try:
                return self._files.read(path)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None

    def put(self, name: str, data: bytes, /) -> None:
        """Write a file: under another name, made durable, then renamed, and the name made durable."""
        path, files = self._path(name), self._files
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}{TEMPORARY}")
        with self._errors(name, "written"):
            descriptor = self._open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            try:
                try:
                    self._write(descriptor, data)
                    files.fsync(descriptor)
                finally:
                    files.close(descriptor)
                files.rename(temporary, path)
            except OSError:
                self._remove(temporary)
                raise
            files.fsync_directory(path.parent)

    def append(self, name: str, data: bytes, /) -> None:
        """Append lines to a file. What is not a whole line at its end, after a kill, is removed first.

        Only one process and thread may append to a file at a time.
        """
        path, files = self._path(name), self._files
        with self._errors(name, "written"):
            descriptor = self._open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            try:
                size = files.size(descriptor)
                if size:
                    whole = files.read(path).rfind(b"\n") + 1
                    if whole < size:
                        files.truncate(descriptor, whole)
                        size = whole
                try:
                    self._write(descriptor, data)
                    files.fsync(descriptor)
                except OSError:
                    files.truncate(descriptor, size)
                    raise
            finally:
                files.close(descriptor)
            if not size:
                files.fsync_directory(path.parent)

    def list(self, prefix: str = "", /) -> FileNames:
        """Return the names of the files that begin with a prefix, in ascending order; none of unfinished files."""
        folder = prefix.rpartition("/")[0]
        root = self._path(folder) if folder else self.directory
        with self._errors(prefix, "listed"):
            found = [path.relative_to(self.directory).as_posix() for path in self._files.files(root)]
        return sorted(name for name in found if name.startswith(prefix) and not name.endswith(TEMPORARY))

    def delete(self, name: str, /) -> None:
        """Remove a file, if it is there."""
        path = self._path(name)
        with self._errors(name, "deleted"):
            try:
                self._files.remove(path)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return
            self._files.fsync_directory(path.parent)

    def lock(self, name: str, /) -> tuple[bool | None, int]:
        """Lock a file, which is made if need be, until it is closed.

        Returns:
            Whether it is locked now, `False` if another process holds it, `None` if this disk has no locks; and what
            `unlock` takes.
        """
        path = self._path(name)
        with self._errors(name, "locked"):
            descriptor = self._open(path, os.O_RDWR | os.O_CREAT)
            try:
                return self._files.lock(descriptor), descriptor
            except BaseException:
                self._files.close(descriptor)
                raise

    def unlock(self, descriptor: int, /) -> None:
        """Close a file that was given to `lock`."""
        self._files.close(descriptor)

    def sweep(self, now: float | None = None) -> None:
        """Remove unfinished files that are older than an hour.

        Args:
            now: The present, in seconds since 1970.
        """
        now = time.time() if now is None else now
        with self._errors("", "deleted"):
            for path in self._files.files(self.directory):
                if not path.name.endswith(TEMPORARY):
                    continue
                try:
                    if self._files.modified(path) < now - MAX_AGE:
                        self._files.remove(path)
                except FileNotFoundError:
                    continue

    def _path(self, name: str) -> Path:
        check_name(name)
        return self.directory.joinpath(*name.split("/"))

    def _open(self, path: Path, flags: int) -> int:
        try:
            return self._files.open(path, flags)
        except FileNotFoundError:
            self._make(path.parent)
            return self._files.open(path, flags)

    def _make(self, directory: Path) -> None:
        if directory.is_dir():
            return
        self._make(directory.parent)
        self._files.make_directory(directory)
        self._files.fsync_directory(directory.parent)

    def _write(self, descriptor: int, data: bytes) -> None:
        written = 0
        while written < len(data):
            written += self._files.write(descriptor, data[written:])

    def _remove(self, path: Path) -> None:
        try:
            self._files.remove(path)
        except OSError:
            pass

    @contextmanager
    def _errors(self, name: str, operation: str) -> Generator[None, None, None]:
        try:
            yield
        except OSError as error:
            place = str(self.directory / name if name else self.directory)
            raise JobStoreError(name, place, operation, error.strerror or str(error)) from error


def open_store(place: str | os.PathLike[str] | Store) -> Store:
    """The store of a job.

    Args:
        place: The path of a directory, which need not exist, or a store.

    Raises:
        TypeError: It is neither.
        ValueError: It is the URL of something else, such as `gs://bucket/path`.
    """
    if isinstance(place, (str, os.PathLike)):
        path = os.fspath(place)
        if "://" in path:
            raise ValueError(
                f"state= takes the path of a directory or a store, not {path!r}: an object with get, put, list and "
                "delete stands for a bucket."
            )
        if not path:
            raise ValueError("state= takes the path of a directory or a store, not ''.")
        return LocalStore(path)
    for method in ("get", "put", "list", "delete"):
        if not callable(getattr(place, method, None)):
            raise TypeError(f"state= takes the path of a directory or a store, not {place!r}, which has no {method}().")
    return place


def check_name(name: str) -> None:
    """Check the name of a file of a job.

    Raises:
        ValueError: It is not relative, leads elsewhere, or has characters that no file has on every disk.
    """
    segments = name.split("/")
    if any(not segment.strip(". ") for segment in segments):
        reason = "a segment of it is empty, or consists of dots"
    elif any(character in '\\:*?"<>|' or ord(character) < 32 for character in name):
        reason = "it has a character that not every disk allows in names"
    elif name.endswith(TEMPORARY):
        reason = f"{TEMPORARY} ends the names of unfinished files"
    else:
        return
    raise ValueError(f"{name!r} is not a valid name for a file of a job: {reason}.")
