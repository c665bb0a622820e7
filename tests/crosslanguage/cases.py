"""Google's cross-language cases: JSON files in the sdist of google-cloud-firestore, which the package index has."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.request
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

SDK = "google-cloud-firestore"
FOLDER = "tests/unit/v1/testdata"
_SECONDS = 60
_SDIST = re.compile(r'^sdist = \{ url = "(?P<url>[^"]+)".*\bsha256 = "(?P<sha256>[0-9a-f]{64})"', re.MULTILINE)


class NoCasesError(Exception):
    """The cases are not available; the text is the reason."""


@dataclass(frozen=True)
class Case:
    """One call and the request that it should send.

    Attributes:
        name: The name of its file, without the suffix.
        kind: The method of Google's clients that is tested: `create`, `update`, `updatePaths`, `query` ...
        body: What the file has about it.
    """

    name: str
    kind: str
    body: dict[str, Any]

    @property
    def is_error(self) -> bool:
        """Whether a client has to refuse the call, without sending anything."""
        return bool(self.body.get("isError"))


def read_cases(cache: Path) -> list[Case]:
    """The cases of the version of the SDK that is installed.

    Args:
        cache: A folder that keeps the sdist from one run to the next.

    Raises:
        NoCasesError: The package index can't be reached, or this version's sdist has no cases.
    """
    sdist = _downloaded(version(SDK), cache)
    with tarfile.open(sdist) as archive:
        names = [PurePosixPath(name) for name in archive.getnames()]
        files = [one for one in names if one.suffix == ".json" and str(one.parent).endswith(f"/{FOLDER}")]
        cases = [_case(one.stem, _content(archive, str(one))) for one in sorted(files)]
    if not cases:
        raise NoCasesError(f"{sdist.name} has no files in {FOLDER}")
    return cases


def _content(archive: tarfile.TarFile, name: str) -> dict[str, Any]:
    file = archive.extractfile(name)
    assert file is not None
    content: dict[str, Any] = json.load(file)
    return content


def _case(name: str, content: dict[str, Any]) -> Case:
    [test] = content["tests"]
    [kind] = test.keys() - {"description", "comment"}
    return Case(name, kind, test[kind])


def _downloaded(wanted: str, cache: Path) -> Path:
    found = cache / f"{SDK}-{wanted}.tar.gz"
    if not found.exists():
        url, sha256 = _link(wanted)
        try:
            with urllib.request.urlopen(url, timeout=_SECONDS) as response:
                content: bytes = response.read()
        except OSError as error:
            raise NoCasesError(f"the sdist can't be downloaded: {error}") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise NoCasesError(f"{url} is not the file that the package index describes")
        # Workers of pytest-xdist may download it at the same time.
        partial = cache / f"{found.name}.{os.getpid()}"
        partial.write_bytes(content)
        partial.replace(found)
    return found


def _link(wanted: str) -> tuple[str, str]:
    """Where the sdist is, from uv, which knows the package index and its settings; pip would build the sdist."""
    uv = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))
    if uv is None:
        raise NoCasesError("there is no uv to ask the package index with")
    command = [uv, "pip", "compile", "-", "--no-deps", "--quiet", "--format", "pylock.toml", "--python", sys.executable]
    asked = f"{SDK}=={wanted}"
    try:
        answer = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise NoCasesError("the package index doesn't answer") from None
    if answer.returncode:
        raise NoCasesError(f"the package index doesn't answer: {' '.join(answer.stderr.split())[:120]}")
    link = _SDIST.search(answer.stdout)
    if link is None:
        raise NoCasesError(f"the package index has no sdist of {asked}")
    return link["url"], link["sha256"]
