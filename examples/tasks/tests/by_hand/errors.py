"""One shape for all errors, and ETags."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from cendry import CendryError, Model, get_metadata
from fastapi import FastAPI, Header, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

IfMatch = Annotated[str | None, Header()]


def problem(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return JSONResponse(content, status, headers, media_type="application/problem+json")


def add_handlers(app: FastAPI) -> None:
    @app.exception_handler(CendryError)
    async def cendry_error(request: Request, error: CendryError) -> Response:
        if error.http_status >= 500:
            headers = {"Retry-After": "1"} if error.http_status == 503 else None
            return problem(error.http_status, HTTPStatus(error.http_status).description, headers)
        return problem(error.http_status, str(error))

    @app.exception_handler(StarletteHTTPException)
    async def http_error(request: Request, error: StarletteHTTPException) -> Response:
        return problem(error.status_code, error.detail, dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def invalid_request(request: Request, error: RequestValidationError) -> Response:
        errors = [{"loc": each["loc"], "msg": each["msg"], "type": each["type"]} for each in error.errors()]
        return problem(422, "The request does not fit.", errors=errors)


def check_etag(instance: Model, if_match: str | None) -> str | None:
    """Return the etag for `if_unchanged=`, if the header has that of the instance."""
    if if_match is None or if_match.strip() == "*":
        return None
    etag = get_metadata(instance).etag
    if etag not in [each.strip() for each in if_match.split(",")]:
        raise HTTPException(412, "The document has changed since.")
    return etag


def set_etag(response: Response, instance: Model) -> None:
    response.headers["ETag"] = get_metadata(instance).etag
