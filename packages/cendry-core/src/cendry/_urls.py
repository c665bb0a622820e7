"""URLs of databases: their parts, checked and decoded. What the parts mean is up to the backend of the scheme."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, NoReturn, Protocol, TypeVar, final

from ._immutable import dataclass
from .errors import InvalidUrlError

B_co = TypeVar("B_co", covariant=True)

_SCHEME: Final = r"[a-zA-Z][a-zA-Z0-9+.-]*"
# As lenient as emulators are; projects of old may have a domain before their id.
_PROJECT: Final = r"(?:[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+:)?[a-zA-Z][a-zA-Z0-9_-]*"
_DATABASE: Final = r"\(default\)|[a-zA-Z0-9][a-zA-Z0-9_-]*"
_NO_QUERY: Final[Mapping[str, str]] = MappingProxyType({})


@final
@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A URL, in its parts.

    Attributes:
        text: The URL as errors show it: without credentials and without values of its query.
        scheme: The scheme, in lower case.
        authority: What stands between `//` and the next slash, as it stands there; `None` if there is no `//`.
        path: What follows, decoded; each segment is one of the URL.
        query: The values of the query, decoded, by key.
    """

    text: str
    scheme: str
    authority: str | None
    path: str
    query: Mapping[str, str]

    @property
    def is_file(self) -> bool:
        """Whether it names a file: `scheme:///path`."""
        return self.authority == "" and self.path not in ("", "/")

    def refuse(self, reason: str) -> NoReturn:
        """Reject the URL.

        Raises:
            InvalidUrlError: Always.
        """
        raise InvalidUrlError(self.text, reason)

    def check_query(self, known: Iterable[str] = ()) -> None:
        """Check that the query has no other keys than these.

        Raises:
            InvalidUrlError: It has, or a value is empty.
        """
        names = sorted(known)
        for key, value in self.query.items():
            if key not in names:
                takes = f"it can have {', '.join(names)}" if names else f"{self.scheme}: URLs have none"
                self.refuse(f"its query has a key {key[:80]!r}; {takes}. Other settings are keywords of from_url()")
            if not value:
                self.refuse(f"{key} is empty; give it a value, or leave it out")


class OpenedByUrl(Protocol[B_co]):
    """A class of backends that URLs can name."""

    def opener(self, url: DatabaseUrl, /) -> Callable[[], B_co]:
        """A function that makes the backend of a URL, which is checked now.

        Raises:
            InvalidUrlError: The URL names no database of this kind.
        """
        ...


def split_url(text: object, schemes: Iterable[str]) -> DatabaseUrl:
    """The parts of a URL that has one of these schemes.

    Raises:
        InvalidUrlError: It has another one, is malformed, or has credentials in it.
        TypeError: It is not a text.
    """
    if not isinstance(text, str):
        # Its value isn't shown: whatever it is may hold credentials.
        raise TypeError(f"from_url() takes a URL as a str, not {type(text).__name__}.")
    text = str.__str__(text)
    shown = _shown(text)
    if not text:
        raise InvalidUrlError(shown, "it is empty; check the variable that it comes from")
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        raise InvalidUrlError(shown, "it contains white space or control characters; write %20 for a space")
    if "\\" in text:
        raise InvalidUrlError(shown, "it contains a backslash; separate folders by /, on Windows too")
    scheme, colon, rest = text.partition(":")
    if not colon or not re.fullmatch(_SCHEME, scheme):
        raise InvalidUrlError(shown, "it does not begin with a scheme, as memory: does")
    scheme = scheme.lower()
    if scheme not in (known := sorted(schemes)):
        there = ", ".join(f"{one}:" for one in known)
        raise InvalidUrlError(shown, f"{scheme[:80]}: is not a known scheme; there are {there}")
    if "#" in rest:
        raise InvalidUrlError(shown, "it has a fragment, which means nothing here; write %23 for a #")
    rest, mark, query = rest.partition("?")
    authority: str | None = None
    if rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
        if "@" in authority:
            raise InvalidUrlError(
                shown,
                "it contains credentials, which don't belong there: Google's clients find them by "
                "GOOGLE_APPLICATION_CREDENTIALS, and from_url() never sends what is in a URL",
            )
    segments = [_decoded(segment, shown) for segment in rest.split("/")]
    for segment in segments:
        if "/" in segment or "\\" in segment:
            raise InvalidUrlError(shown, "it has an encoded slash in its path")
    return DatabaseUrl(shown, scheme, authority, "/".join(segments), _query(query, shown) if mark else _NO_QUERY)


def project_and_database(url: DatabaseUrl) -> tuple[str, str | None]:
    """The Google Cloud project of a URL, and its database, if it names one: `firestore://PROJECT/DATABASE`.

    Raises:
        InvalidUrlError: It names no project, or something that is neither.
    """
    form = f"{url.scheme}://PROJECT/DATABASE"
    if url.authority is None:
        url.refuse(f"the form is {form}, and the database may be left out")
    if not url.authority:
        url.refuse(f"it names no project; the form is {form}. For the project of the credentials, use no URL")
    if not re.fullmatch(_PROJECT, url.authority):
        url.refuse(
            f"{url.authority[:80]!r} is not the id of a project; the form is {form}. An emulator's host and port are "
            f"set by {url.scheme.upper()}_EMULATOR_HOST"
        )
    database = url.path.removeprefix("/")
    if not database:
        return url.authority, None
    if not re.fullmatch(_DATABASE, database):
        url.refuse(f"{database[:80]!r} is not the id of a database; the form is {form}")
    return url.authority, database


def _query(text: str, shown: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for part in text.split("&"):
        key, _, value = part.partition("=")
        key = _decoded(key, shown)
        if not key:
            raise InvalidUrlError(shown, "its query has an empty key")
        if key in found:
            raise InvalidUrlError(shown, f"its query has the key {key[:80]!r} twice")
        found[key] = _decoded(value, shown)
    return found


def _decoded(text: str, shown: str) -> str:
    if "%" not in text:
        return text
    if re.search(r"%(?![0-9a-fA-F]{2})", text):
        raise InvalidUrlError(shown, "a % in it is not followed by two hexadecimal digits; write %25 for a %")
    # Imported here, since few URLs need it.
    from urllib.parse import unquote

    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise InvalidUrlError(shown, "what is encoded in it is not UTF-8") from None
    if "\0" in decoded:
        raise InvalidUrlError(shown, "it contains NUL")
    return decoded


def _shown(text: str) -> str:
    """A URL for messages, where neither credentials nor values of the query are shown."""
    text = re.sub(r"^([^:]*:/*).*@", r"\1***@", text, count=1, flags=re.DOTALL)
    text = re.sub(r"(?<=[?&])([^=&#]*)=[^&#]*", r"\1=***", text)
    return text if len(text) <= 200 else f"{text[:197]}..."
