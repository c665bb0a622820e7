"""The state of a migration where all workers of a pipeline reach it: in a bucket, or on a disk that they share."""

from __future__ import annotations

import os
import posixpath
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from cendry.errors import JobStoreError
from cendry.jobs import Store
from cendry.jobs import open_store as open_local
from cendry.jobs.store import TEMPORARY, FileNames, check_name

_BUCKETS: Final = ("gs://",)
"""What has objects instead of files: one is there when it was written to its end, and not before."""

_GLOB: Final = frozenset("*?[")


class FileSystemStore:
    """A store on the file systems of Apache Beam: an object of Cloud Storage per name, or a file.

    In a bucket, an object is whole or not there, and durable when `put` returns. On a disk, a file is written under
    another name, and renamed: it is whole or not there if the process ends midway. If the machine does, it may be lost
    or empty, as Beam has no `fsync`; `LocalStore` has.

    Args:
        place: The URL of a folder, `gs://bucket/folder`, or the path of a directory.

    Raises:
        ValueError: It is neither, or has one of the characters `*?[`, which Beam takes for a pattern.
        JobStoreError: By all methods: it can't be read or written.
    """

    __slots__ = ("place",)

    def __init__(self, place: str) -> None:
        if "://" in place and not place.startswith(_BUCKETS):
            raise ValueError(f"state= takes the path of a directory or gs://bucket/folder, not {place!r}.")
        if not place or _GLOB & set(place):
            raise ValueError(f"{place!r} can't be a folder of a migration: it is empty, or has one of *?[.")
        self.place = place.rstrip("/")

    def __repr__(self) -> str:
        return f"FileSystemStore({self.place!r})"

    def get(self, name: str, /) -> bytes | None:
        """Return the data of a name, or `None` if there is none."""
        path = self._path(name)
        with self._errors(name, "read"):
            try:
                return self._read(path)
            except (IsADirectoryError, NotADirectoryError):
                return None
            except Exception:
                # Each file system has its own error for this.
                if not FileSystems.exists(path):
                    return None
            # Another process may have written it just now.
            return self._read(path)

    def put(self, name: str, data: bytes, /) -> None:
        """Set the data of a name."""
        path = self._path(name)
        with self._errors(name, "written"):
            if path.startswith(_BUCKETS):
                self._write(path, data)
                return
            temporary = f"{path}.{secrets.token_hex(4)}{TEMPORARY}"
            try:
                self._write(temporary, data)
                FileSystems.rename([temporary], [path])
            except BaseException:
                if FileSystems.exists(temporary):
                    FileSystems.delete([temporary])
                raise

    def list(self, prefix: str = "", /) -> FileNames:
        """Return the names that begin with a prefix, in ascending order; none of unfinished files."""
        folder = prefix.rpartition("/")[0]
        root = self._path(folder) if folder else self.place
        with self._errors(prefix, "listed"):
            [match] = FileSystems.match([f"{root}/**"])
            found = [str(one.path)[len(self.place) + 1 :].replace(os.sep, "/") for one in match.metadata_list]
        # Consoles make folders as objects, too, whose names end with a slash.
        names = [name for name in found if name and not name.endswith((TEMPORARY, "/"))]
        return sorted(name for name in names if name.startswith(prefix))

    def delete(self, name: str, /) -> None:
        """Remove a name, if it is there."""
        path = self._path(name)
        # Beam deletes directories as well.
        if self.get(name) is None:
            return
        with self._errors(name, "deleted"):
            try:
                FileSystems.delete([path])
            except Exception:
                if FileSystems.exists(path):
                    raise

    def _path(self, name: str) -> str:
        check_name(name)
        return posixpath.join(self.place, name)

    def _read(self, path: str) -> bytes:
        with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            data: bytes = file.read()
        return data

    def _write(self, path: str, data: bytes) -> None:
        file: Any = FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED)
        # Not in a `with` block: what can't be written to its end must not be closed, which would make it an object.
        file.write(data)
        file.close()

    @contextmanager
    def _errors(self, name: str, operation: str) -> Generator[None, None, None]:
        try:
            yield
        except Exception as error:
            place = posixpath.join(self.place, name)
            raise JobStoreError(name, place, operation, str(error) or type(error).__name__) from error


def open_store(place: str | os.PathLike[str]) -> Store:
    """The store of a migration whose steps run in a pipeline.

    Args:
        place: The URL of a folder in a bucket, `gs://bucket/folder`; or the path of a directory, which all workers
            must reach.

    Raises:
        ValueError: It is the URL of something else, or empty.
    """
    path = os.fspath(place)
    return FileSystemStore(path) if "://" in path else open_local(path)
