"""Cendry in a FastAPI application: answers to errors, and etags. Imported by nothing else in Cendry."""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, cast

try:
    from fastapi import Depends, FastAPI, Header, Response
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException
    from starlette.requests import HTTPConnection
    from starlette.websockets import WebSocket, WebSocketState
except ModuleNotFoundError as error:
    # If FastAPI is installed and one of its own imports fails, that error is the one to report.
    if error.name not in ("fastapi", "starlette"):
        raise
    raise ImportError(
        "cendry.fastapi needs FastAPI, which is not installed. Install it with: pip install fastapi", name=error.name
    ) from None

from ._model.metadata import get_metadata
from .errors import (
    MAX_PROBLEMS,
    CendryError,
    DecodeError,
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    InvalidEtagError,
    InvalidValueError,
    OutcomeUnknownError,
    StaleDocumentError,
    TransactionContentionError,
    UnknownFieldError,
    UnsupportedByBackendError,
    ValidationError,
)

if TYPE_CHECKING:
    from ._model.model import Model

__all__ = ["IfMatch", "add_exception_handlers", "set_etag"]

RETRY_AFTER: Final = 1
"""Seconds after which a client may try again what was answered with 503."""

_MEDIA_TYPE: Final = "application/problem+json"
_INTERNAL_ERROR: Final = 1011
_LONGEST_KEY: Final = 80
_LONGEST_TEXT: Final = 1000
_SHOWN_PATHS: Final = 5


# --- etags ---


async def _if_match(
    connection: HTTPConnection,
    if_match: Annotated[
        str | None,
        Header(
            alias="If-Match",
            description="Write only if the document has this etag, one of several, or (`*`) exists at all.",
        ),
    ] = None,
) -> str | None:
    # Several headers are one list.
    return if_match and ", ".join(connection.headers.getlist("if-match"))


IfMatch: TypeAlias = Annotated[str | None, Depends(_if_match)]
"""The type of a parameter that is the header `If-Match`, for `if_unchanged=`: `if_match: IfMatch = None`.

An etag of another document, a weak or a malformed one raises `InvalidEtagError` in the write: 412. `*` asks for a
document that exists; of several etags, one has to be that of the document.
"""


def set_etag(response: Response, instance: Model) -> None:
    """Set the header `ETag` of a response to the version of an instance.

    Args:
        response: The response, such as the parameter `response: Response` of an endpoint.
        instance: An instance that a context read or wrote.

    Raises:
        CendryError: The instance was neither read nor written.
        UnsupportedByBackendError: Its database keeps no times.
    """
    response.headers["ETag"] = get_metadata(instance).etag


# --- errors ---


def add_exception_handlers(app: FastAPI) -> None:
    """Answer errors with problem details (RFC 9457), all in one shape.

    The content type is `application/problem+json`, the members are `type`, `title`, `status`, and where there is more
    to say `detail` and `errors`, a list of `loc`, `msg` and `type` as FastAPI has it. These errors are answered:

    - `CendryError`, with its `http_status`; 503 has the header `Retry-After`;
    - `RequestValidationError`: 422, also for bodies with NaN, infinity or lone surrogates, which are not echoed;
    - `HTTPException`, with its status, headers and detail; a `dict` as detail adds its members;
    - all others: 500. Starlette then raises them again, so that the server logs them.

    An answer with 500 says nothing of the error, which may contain stored values; a `CendryError` with that status is
    logged by the logger `cendry`. The OpenAPI document of the application describes the answers.

    Args:
        app: The application, before its first request. Mounted applications need a call of their own.
    """
    # By its types, a handler is either for requests or for websockets.
    add = cast("Any", app).add_exception_handler
    add(CendryError, _answer_cendry_error)
    add(RequestValidationError, _answer_invalid_request)
    add(HTTPException, _answer_http_exception)
    if not {Exception, 500} & set(app.exception_handlers):
        add(Exception, _answer_other_error)
    _describe_problems(app)


async def _answer_cendry_error(connection: HTTPConnection, error: Exception) -> Response | None:
    status: int = getattr(error, "http_status", 500)
    if status == 500:
        logging.getLogger("cendry").error("A request failed with a %s.", type(error).__name__, exc_info=error)
    headers = {"Retry-After": str(RETRY_AFTER)} if status == 503 else None
    return await _sent(connection, _problem(status, _detail(error, status), _problems_of(error), headers))


async def _answer_invalid_request(_: HTTPConnection, error: Exception) -> Response:
    found = cast("Sequence[Mapping[str, Any]]", cast("Any", error).errors())
    errors = [_error(one.get("loc", ()), one.get("msg"), one.get("type")) for one in found[:MAX_PROBLEMS]]
    return _problem(422, "The request is not of the form that it must have; see errors.", errors)


async def _answer_http_exception(connection: HTTPConnection, error: Exception) -> Response | None:
    exception = cast("HTTPException", error)
    status, headers = exception.status_code, exception.headers
    detail: Any = exception.detail
    if status < 200 or status in (204, 205, 304):
        return Response(status_code=status, headers=headers)
    if isinstance(detail, str) or detail is None:
        response = _problem(status, detail, headers=headers)
    elif isinstance(detail, Mapping):
        response = _problem(status, headers=headers, members=cast("Any", detail))
    else:
        response = _problem(status, headers=headers, members={"errors": detail})
    return await _sent(connection, response)


async def _answer_other_error(_: HTTPConnection, _error: Exception) -> Response:
    return _problem(500)


async def _sent(connection: HTTPConnection, response: Response) -> Response | None:
    """The answer; a websocket that was accepted is closed instead."""
    if isinstance(connection, WebSocket) and connection.application_state is not WebSocketState.CONNECTING:
        if connection.application_state is WebSocketState.CONNECTED:
            await connection.close(_INTERNAL_ERROR)
        return None
    return response


def _problem(
    status: int,
    detail: str | None = None,
    errors: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
    members: Mapping[Any, Any] | None = None,
) -> Response:
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    content: dict[Any, Any] = {"type": "about:blank", "title": title, **(members or {}), "status": status}
    if detail:
        content["detail"] = detail
    if errors:
        content["errors"] = errors
    body = json.dumps(_plain(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(body, status, headers, _MEDIA_TYPE)


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: no NaN, no infinity, no lone surrogates; what JSON doesn't know, as text."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping():
            return {str(_plain(key)): _plain(one) for key, one in cast("Any", value).items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(one) for one in cast("Any", value)]
        case _:
            return _plain(str(value))


def _error(loc: Iterable[Any], message: object, kind: object) -> dict[str, Any]:
    return {"loc": [_part(one) for one in loc], "msg": _cut(str(message), _LONGEST_TEXT), "type": str(kind)}


def _part(one: object) -> int | str:
    return one if isinstance(one, int) else _cut(str(one), _LONGEST_KEY)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _problems_of(error: Exception) -> list[dict[str, Any]]:
    """The parts of the data that an error is about."""
    match error:
        case ValidationError():
            return [
                _error(_loc(one.path), f"expected {one.expected}, found {one.found}", one.code)
                for one in error.problems
            ]
        case InvalidValueError():
            return [_error(_loc(error.field), f"expected {error.expected}, found {error.found}", error.code)]
        case UnknownFieldError():
            return [_error([error.field], str(error), "unknown")]
        case _:
            return []


_SEGMENT: Final = re.compile(r"`((?:[^`\\]|\\.)*)`|\[(\d+)\]|([^.`\[\]]+)", re.DOTALL)


def _loc(path: str) -> list[int | str]:
    """The segments of a field path, with the indices of lists."""
    return [
        int(index) if index else name or re.sub(r"\\(.)", r"\1", quoted)
        for quoted, index, name in _SEGMENT.findall(path)
    ]


def _detail(error: Exception, status: int) -> str | None:
    """What an error means to a client: neither advice for the program nor, with 500, anything at all."""
    match error:
        case DecodeError():
            return "There is no such document." if status == 404 else None
        case DocumentNotFoundError():
            missing = error.candidates
            return f"There is no such document: {_shown(missing)}." if missing else "No document matches."
        case DocumentAlreadyExistsError():
            return f"A document of this id already exists: {_shown(error.candidates)}."
        case StaleDocumentError():
            return f"The document has changed meanwhile, or was deleted: {_shown(error.candidates)}."
        case InvalidEtagError():
            return f"{_cut(error.etag, _LONGEST_KEY)!r} is not an etag of document {error.path!r}."
        case TransactionContentionError():
            return "Other requests change the same documents at this moment; nothing was written. Try again."
        case OutcomeUnknownError():
            return "It is not known whether the change was made. Read the document before trying again."
        case UnsupportedByBackendError():
            return f"The database does not support {error.feature}."
        case _:
            return _cut(str(error), _LONGEST_TEXT) if status < 500 else None


def _shown(paths: Sequence[str]) -> str:
    shown = ", ".join(map(repr, paths[:_SHOWN_PATHS]))
    return f"{shown} and {len(paths) - _SHOWN_PATHS} more" if len(paths) > _SHOWN_PATHS else shown


# --- OpenAPI ---

_PROBLEM_SCHEMA: Final[Mapping[str, Any]] = {
    "title": "Problem",
    "description": "What is wrong with a request (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "title": "Type"},
        "title": {"type": "string", "title": "Title"},
        "status": {"type": "integer", "title": "Status"},
        "detail": {"type": "string", "title": "Detail"},
        "errors": {
            "type": "array",
            "title": "Errors",
            "items": {
                "type": "object",
                "required": ["loc", "msg", "type"],
                "properties": {
                    "loc": {
                        "type": "array",
                        "title": "Location",
                        "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                    },
                    "msg": {"type": "string", "title": "Message"},
                    "type": {"type": "string", "title": "Error type"},
                },
            },
        },
    },
}
_METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})


def _describe_problems(app: FastAPI) -> None:
    """Let the OpenAPI document of an application describe the answers to errors."""
    written = app.openapi
    described: list[dict[str, Any]] = [{}]

    def openapi() -> dict[str, Any]:
        document = written()
        # Applications keep their document.
        if document is not described[0]:
            _put_problems(document)
            described[0] = document
        return document

    cast("Any", app).openapi = openapi


def _put_problems(document: dict[str, Any]) -> None:
    """Put problems in the place of FastAPI's own description of 422, and beside all other responses."""
    schemas: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    name = "Problem" if schemas.get("Problem", _PROBLEM_SCHEMA) == _PROBLEM_SCHEMA else "CendryProblem"
    schemas[name] = dict(_PROBLEM_SCHEMA)
    content = {_MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    for path in document.get("paths", {}).values():
        for method in _METHODS & path.keys():
            responses: dict[str, Any] = path[method].setdefault("responses", {})
            if _refers(responses.get("422"), "HTTPValidationError"):
                responses["422"] = {"description": HTTPStatus(422).phrase, "content": content}
            responses.setdefault("default", {"description": "Error", "content": content})
    for old in ("HTTPValidationError", "ValidationError"):
        if old in schemas and not _refers(document, old):
            del schemas[old]


def _refers(part: object, schema: str) -> bool:
    return f'"#/components/schemas/{schema}"' in json.dumps(part)
