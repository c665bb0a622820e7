"""Stores and file layers of jobs for tests."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from cendry.jobs import RealFiles


class DictStore:
    """A store like a bucket: nothing is appended, nothing is locked."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}
        self.before_put: Callable[[str], object] = lambda name: None

    def get(self, name: str, /) -> bytes | None:
        return self.data.get(name)

    def put(self, name: str, data: bytes, /) -> None:
        self.before_put(name)
        self.data[name] = data

    def list(self, prefix: str = "", /) -> list[str]:
        return sorted(name for name in self.data if name.startswith(prefix))

    def delete(self, name: str, /) -> None:
        self.data.pop(name, None)


class Files(RealFiles):
    """The real calls, recorded; some fail, and writes may be short."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.fails: dict[str, int] = {}
        self.most: int | None = None
        self.flock: bool | None = None
        self.is_fake_flock = False
        self._paths: dict[int, Path] = {}

    def _note(self, call: str, path: Path) -> None:
        name = ".".join(part for part in path.name.split(".") if len(part) != 8)
        self.calls.append((call, name))
        if call in self.fails:
            raise OSError(self.fails[call], os.strerror(self.fails[call]))

    def open(self, path: Path, flags: int) -> int:
        self._note("open", path)
        descriptor = super().open(path, flags)
        self._paths[descriptor] = path
        return descriptor

    def read(self, path: Path) -> bytes:
        self._note("read", path)
        return super().read(path)

    def write(self, descriptor: int, data: bytes) -> int:
        call = "write"
        if self.most is None:
            self._note(call, self._paths[descriptor])
            return super().write(descriptor, data)
        # The disk is full after some bytes.
        if not self.most:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = super().write(descriptor, data[: self.most])
        self.most -= written
        return written

    def truncate(self, descriptor: int, size: int) -> None:
        self._note("truncate", self._paths[descriptor])
        super().truncate(descriptor, size)

    def fsync(self, descriptor: int) -> None:
        self._note("fsync", self._paths[descriptor])
        super().fsync(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self._note("rename", target)
        super().rename(source, target)

    def fsync_directory(self, path: Path) -> None:
        self._note("fsync_directory", path)
        super().fsync_directory(path)

    def make_directory(self, path: Path) -> None:
        self._note("make_directory", path)
        super().make_directory(path)

    def remove(self, path: Path) -> None:
        self._note("remove", path)
        super().remove(path)

    def files(self, path: Path) -> list[Path]:
        self._note("files", path)
        return super().files(path)

    def lock(self, descriptor: int) -> bool | None:
        self._note("lock", self._paths[descriptor])
        return self.flock if self.is_fake_flock else super().lock(descriptor)


class Clock:
    """A time that passes when it is told to."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
