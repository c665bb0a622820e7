"""Cendry in a FastAPI application, by a real client and server, and by the test client."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib import import_module
from typing import Annotated, Any, Literal

import cendry
import pytest
import starlette
from annotated_types import Ge, MaxLen
from cendry import (
    AsyncCendry,
    Cendry,
    CendryError,
    DecodeError,
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    Field,
    ForeignReferenceError,
    InvalidRequestError,
    InvalidValueError,
    Map,
    MissingIndexError,
    Model,
    OutcomeUnknownError,
    Patch,
    Problem,
    StaleDocumentError,
    TransactionContentionError,
    UnknownFieldError,
    UnsupportedByBackendError,
    ValidationError,
    Without,
    field,
    from_dict,
    to_dict,
)
from cendry.fastapi import IfMatch, add_exception_handlers, set_etag
from fastapi import FastAPI, HTTPException, Query, Response, WebSocket
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict, create_model
from starlette.websockets import WebSocketDisconnect
from web.serving import serving

PROBLEM = "application/problem+json"
SECRET = "a stored secret"


class Task(Model, collection="tasks"):
    title: Field[str]
    points: Field[float]


class Step(Map):
    title: Field[Annotated[str, MaxLen(20)]]
    done: Field[bool] = field(default=False)


class Note(Model, collection="notes"):
    """A body as it stands, and changed by a Patch."""

    title: Field[Annotated[str, MaxLen(20)]]
    points: Field[Annotated[float, Ge(0)]] = field(default=0.0)
    state: Field[Literal["open", "done"]] = field(default="open")
    steps: Field[list[Step]] = field(default_factory=list)
    extra: Field[dict[str, Any]] = field(default_factory=dict)
    secret: Field[str] = field(default="", repr=False)

    def __validate__(self) -> None:
        if self.state == "done" and not self.steps:
            raise ValueError("nothing was done")


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    title: str
    points: float = 0.0
    state: Literal["open", "done"] = "open"


OwnProblem: Any = create_model("Problem", name=(str, ...))


class Failing(CendryError):
    http_status = 418


class Deleted(DocumentNotFoundError):
    pass


ERRORS: dict[str, Exception] = {
    "decode": DecodeError("tasks/a", "Task", "points", "float", f"str {SECRET!r}"),
    "other-kind": DecodeError("tasks/a", "Task", "type", "the tag 'task'", f"str {SECRET!r}", is_other_kind=True),
    "missing": DocumentNotFoundError("tasks/a"),
    "several-missing": DocumentNotFoundError.all_missing([f"tasks/{n}" for n in range(9)]),
    "no-match": DocumentNotFoundError.by_query("tasks"),
    "subclass": Deleted("tasks/a"),
    "exists": DocumentAlreadyExistsError("tasks", "a"),
    "stale": StaleDocumentError("tasks/a"),
    "index": MissingIndexError("tasks", SECRET),
    "contention": TransactionContentionError(5, outside="tasks/a"),
    "unknown": OutcomeUnknownError("tasks/a", detail=SECRET),
    "unsupported": UnsupportedByBackendError("listeners", "Datastore", "Migrate."),
    "foreign": ForeignReferenceError(SECRET, "projects/p/databases/d"),
    "misuse": CendryError(SECRET),
    "own": Failing("It's a teapot."),
    "value": InvalidValueError("Task", "points", "float", "str 'x'"),
    "field": UnknownFieldError("Task", "pionts", ("points",)),
    "request": InvalidRequestError("too many"),
    "validation": ValidationError(
        "Task",
        [
            Problem("", "a dict", "int 5"),
            Problem("points", "at least 0", "int -1", "ge"),
            Problem("steps[12].`a.b`.`x\\`y`", "str", "int 5"),
            Problem("\ud800", "a field", "int 5", "unknown"),
        ],
    ),
    "http": HTTPException(409, "taken"),
    "http-empty": HTTPException(404),
    "http-headers": HTTPException(401, headers={"WWW-Authenticate": "Bearer"}),
    "http-members": HTTPException(
        402, {"type": "https://example.com/credit", "balance": float("nan"), "who": {5, "\ud800"}}
    ),
    "http-list": HTTPException(400, ["a", {"b": object}]),
    "http-unmodified": HTTPException(304, headers={"ETag": '"x"'}),
    "http-own": HTTPException(499, "gone"),
    "other": RuntimeError(SECRET),
}


def make(ctx: AsyncCendry, **settings: Any) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with ctx:
            yield

    app = FastAPI(lifespan=lifespan, **settings)
    add_exception_handlers(app)

    @app.get("/tasks/{task_id}")
    async def show(task_id: str, response: Response) -> dict[str, Any]:
        task = await ctx.get(Task, task_id)
        set_etag(response, task)
        return to_dict(task)

    @app.put("/tasks/{task_id}")
    async def put(task_id: str, body: Body, response: Response, if_match: IfMatch = None) -> dict[str, Any]:
        task = Task(id=task_id, title=body.title, points=body.points)
        await ctx.save(task, if_unchanged=if_match)
        set_etag(response, task)
        return to_dict(task)

    @app.patch("/tasks/{task_id}")
    async def patch(task_id: str, body: Body, if_match: IfMatch = None) -> None:
        await ctx.update(Task, task_id, {"title": body.title}, if_unchanged=if_match)

    @app.delete("/tasks/{task_id}", status_code=204, response_model=None)
    async def delete(task_id: str, if_match: IfMatch = None) -> None:
        await ctx.delete(Task, task_id, if_unchanged=if_match)

    @app.post("/tasks")
    async def post(data: dict[str, Any]) -> str:
        return await ctx.create(from_dict(Task, data, mode="json"))

    @app.get("/tasks")
    async def page(after: str | None = None, least: float = Query(0)) -> list[str]:
        query = ctx.select(Task, Task.points >= least, order_by=Task.points)
        return [one.title for one in (await query.page(2, after=after)).items]

    @app.post("/notes", status_code=201)
    async def create(note: Annotated[Note, Without("id", name="NewNote")], response: Response) -> Note:
        await ctx.create(note)
        set_etag(response, note)
        return note

    @app.put("/notes/{note_id}")
    async def replace(note_id: str, note: Note, response: Response, if_match: IfMatch = None) -> Note:
        note.id = note_id
        await ctx.save(note, if_unchanged=if_match)
        set_etag(response, note)
        return note

    @app.patch("/notes/{note_id}")
    async def change(note_id: str, changes: Patch[Note], response: Response, if_match: IfMatch = None) -> Note:
        await ctx.update(Note, note_id, changes, if_unchanged=if_match)
        note = await ctx.get(Note, note_id)
        set_etag(response, note)
        return note

    @app.get("/errors/{name}")
    async def fail(name: str) -> None:
        raise ERRORS[name]

    return app


@pytest.fixture(scope="module")
def served() -> Iterator[Any]:
    with serving(make(AsyncCendry.from_url("memory:fastapi"))) as client:
        yield client


@pytest.fixture
def ctx() -> Iterator[Cendry]:
    """The documents of the server's context."""
    with Cendry.from_url("memory:fastapi") as ctx:
        yield ctx


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(make(AsyncCendry.from_url("memory:")), raise_server_exceptions=False) as client:
        yield client


def problem(response: Any, status: int) -> dict[str, Any]:
    """The problem that a response is, without the members that all problems have."""
    assert (status, PROBLEM) == (response.status_code, response.headers["content-type"]), response.text
    assert SECRET not in response.text
    found: dict[str, Any] = json.loads(response.content)
    assert status == found.pop("status")
    assert HTTPStatus(status).phrase == found.pop("title")
    assert "about:blank" == found.pop("type")
    return found


# --- errors ---


@pytest.mark.parametrize(
    ("name", "status", "detail"),
    [
        ("decode", 500, None),
        ("other-kind", 404, "There is no such document."),
        ("missing", 404, "There is no such document: 'tasks/a'."),
        (
            "several-missing",
            404,
            "There is no such document: 'tasks/0', 'tasks/1', 'tasks/2', 'tasks/3', 'tasks/4' and 4 more.",
        ),
        ("no-match", 404, "No document matches."),
        ("subclass", 404, "There is no such document: 'tasks/a'."),
        ("exists", 409, "A document of this id already exists: 'tasks/a'."),
        ("stale", 412, "The document has changed meanwhile, or was deleted: 'tasks/a'."),
        ("index", 500, None),
        ("contention", 503, "Other requests change the same documents at this moment; nothing was written. Try again."),
        ("unknown", 503, "It is not known whether the change was made. Read the document before trying again."),
        ("unsupported", 501, "The database does not support listeners."),
        ("foreign", 500, None),
        ("misuse", 500, None),
        ("own", 418, "It's a teapot."),
        ("request", 422, "The database refused the request, and nothing was written: too many"),
        ("http", 409, "taken"),
        ("http-empty", 404, "Not Found"),
        ("http-headers", 401, "Unauthorized"),
        ("other", 500, None),
    ],
)
def test_errors_are_problems(served: Any, name: str, status: int, detail: str | None) -> None:
    response = served.get(f"/errors/{name}")
    assert ({} if detail is None else {"detail": detail}) == problem(response, status)
    assert ("1" if status == 503 else None) == response.headers.get("retry-after")


def test_headers_of_http_exceptions_are_kept(served: Any) -> None:
    assert "Bearer" == served.get("/errors/http-headers").headers["www-authenticate"]
    response = served.get("/errors/http-unmodified")
    assert (304, b"", '"x"') == (response.status_code, response.content, response.headers["etag"])


def test_http_exceptions_can_have_members_of_their_own(served: Any) -> None:
    found = served.get("/errors/http-members").json()
    assert "\\ud800" in found.pop("who")
    assert {
        "type": "https://example.com/credit",
        "title": "Payment Required",
        "status": 402,
        "balance": "nan",
    } == found
    assert {"errors": ["a", {"b": "<class 'object'>"}]} == problem(served.get("/errors/http-list"), 400)
    assert {"type": "about:blank", "title": "Error", "status": 499, "detail": "gone"} == served.get(
        "/errors/http-own"
    ).json()


def test_what_is_wrong_with_data_has_places(served: Any) -> None:
    found = problem(served.get("/errors/validation"), 422)
    assert [
        {"loc": [], "msg": "expected a dict, found int 5", "type": "value"},
        {"loc": ["points"], "msg": "expected at least 0, found int -1", "type": "ge"},
        {"loc": ["steps", 12, "a.b", "x`y"], "msg": "expected str, found int 5", "type": "value"},
        {"loc": ["\\ud800"], "msg": "expected a field, found int 5", "type": "unknown"},
    ] == found["errors"]
    assert [{"loc": ["points"], "msg": "expected float, found str 'x'", "type": "value"}] == problem(
        served.get("/errors/value"), 422
    )["errors"]
    message = "Task has no field 'pionts'. Did you mean 'points'?"
    assert {"detail": message, "errors": [{"loc": ["pionts"], "msg": message, "type": "unknown"}]} == problem(
        served.get("/errors/field"), 422
    )


def test_an_error_of_the_program_is_logged(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "cendry"):
        client.get("/errors/missing")
        client.get("/errors/decode")
    [record] = caplog.records
    assert ("cendry", logging.ERROR) == (record.name, record.levelno)
    assert "A request failed with a DecodeError." == record.getMessage()
    assert record.exc_info is not None


def test_other_errors_still_reach_the_server() -> None:
    with TestClient(make(AsyncCendry.from_url("memory:"))) as client, pytest.raises(RuntimeError, match=SECRET):
        client.get("/errors/other")


def test_the_answer_to_other_errors_can_be_ones_own() -> None:
    app = FastAPI()

    @app.exception_handler(Exception)
    async def own(_: Any, error: Exception) -> Response:
        return Response("mine", 500)

    @app.exception_handler(DocumentNotFoundError)
    async def absent(_: Any, error: Exception) -> Response:
        return Response("absent", 410)

    add_exception_handlers(app)

    @app.get("/{name}")
    async def fail(name: str) -> None:
        raise ERRORS[name]

    client = TestClient(app, raise_server_exceptions=False)
    assert "mine" == client.get("/other").text
    assert "absent" == client.get("/subclass").text
    assert 409 == client.get("/exists").status_code


def test_an_endpoint_may_be_sync() -> None:
    app = FastAPI()
    add_exception_handlers(app)

    @app.get("/")
    def fail(if_match: IfMatch = None) -> None:
        raise ERRORS["stale"]

    problem(TestClient(app).get("/"), 412)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("POST", "/tasks/a", 405), ("GET", "/tasks/%00", 422), ("GET", "/tasks/__a__", 422)],
)
def test_requests_that_find_no_endpoint_and_no_document(served: Any, method: str, path: str, status: int) -> None:
    problem(served.request(method, path), status)


# --- bodies ---

HOSTILE = [
    b"",
    b"null",
    b"[]",
    b"{",
    b"\xff",
    b'"\\ud800"',
    b"NaN",
    b'{"title": "a", "points": NaN}',
    b'{"title": "a", "points": -Infinity}',
    b'{"title": "a", "points": 1e999}',
    b'{"title": "a", "points": "\\ud800"}',
    b'{"title": "\\ud800"}',
    b'{"title": NaN}',
    b'{"title": ["\\ud800", NaN]}',
    b'{"\\ud800": 1}',
    b'{"title": "a", "state": "\\udfff"}',
    b'{"title": "a", "\\ud800": NaN}',
    b'{"title": "a", "points": [[[[[[[NaN]]]]]]]}',
    b'{"title": "a", "extra": 1}',
    b'{"title": {"$ne": NaN}}',
    b"[" * 100_000,
    b'{"title": "a", "points": ' + b"9" * 10_000 + b"}",
    b'{"title": "a", "points": true}{',
    b'{"__proto__": {"title": NaN}}',
    b'{"title": "a", "points": {"\\ud800": Infinity}}',
]


@pytest.mark.parametrize("body", HOSTILE, ids=lambda body: repr(body[:40]))
def test_hostile_bodies_are_refused(served: Any, ctx: Cendry, body: bytes) -> None:
    ctx.save(Task(id="hostile", title="a", points=1))
    headers = {"Content-Type": "application/json"}
    for method, path in [("PUT", "/tasks/hostile"), ("PATCH", "/tasks/hostile"), ("POST", "/tasks")]:
        response = served.request(method, path, content=body, headers=headers)
        # FastAPI gives 400 for what the json module can't read at all.
        found = problem(response, response.status_code if response.status_code == 400 else 422)
        assert found["detail"]
        for one in found.get("errors", []):
            assert {"loc", "msg", "type"} == one.keys()
    assert Task(id="hostile", title="a", points=1) == ctx.get(Task, "hostile")
    assert 1 == ctx.select(Task).count()


def test_a_refused_body_says_where(served: Any) -> None:
    found = problem(served.put("/tasks/a", json={"points": "x", "extra": 1}), 422)
    assert "The request is not of the form that it must have; see errors." == found["detail"]
    assert [["body", "title"], ["body", "points"], ["body", "extra"]] == [one["loc"] for one in found["errors"]]
    assert ["missing", "float_parsing", "extra_forbidden"] == [one["type"] for one in found["errors"]]
    assert ["query", "least"] == problem(served.get("/tasks?least=x"), 422)["errors"][0]["loc"]
    # As FastAPI has it, with the place in the text.
    assert ["body", 1] == problem(
        served.put("/tasks/a", content=b"{", headers={"Content-Type": "application/json"}), 422
    )["errors"][0]["loc"]


def test_values_of_parameters_are_checked(served: Any) -> None:
    for query in ("least=nan", "after=%ff", "after=abc", "least=inf&after=" + "x" * 3000):
        problem(served.get(f"/tasks?{query}"), 422)


def test_a_body_with_many_faults_costs_no_more_than_one_with_few(client: TestClient) -> None:
    app = client.app
    assert isinstance(app, FastAPI)

    @app.post("/many")
    async def many(bodies: list[Body]) -> None: ...

    response = client.post("/many", json=[{"x" * 1000: 1}] * 1000)
    found = problem(response, 422)
    assert 100 == len(found["errors"])
    assert 50_000 > len(response.content)
    assert 80 == len(found["errors"][1]["loc"][2])


# --- models and patches as bodies ---


def test_a_model_is_created_replaced_and_changed(served: Any, ctx: Cendry) -> None:
    first = served.post("/notes", json={"title": "a", "extra": {"size": [1.5]}})
    assert 201 == first.status_code
    note = first.json()
    assert {
        "id": note["id"],
        "title": "a",
        "points": 0.0,
        "state": "open",
        "steps": [],
        "extra": {"size": [1.5]},
        "secret": "",
    } == note
    path, etag = f"/notes/{note['id']}", {"If-Match": first.headers["etag"]}

    second = served.patch(path, json={"steps": [{"title": "s"}], "points": 2}, headers=etag)
    assert (200, [{"title": "s", "done": False}], 2) == (
        second.status_code,
        second.json()["steps"],
        second.json()["points"],
    )
    problem(served.patch(path, json={"points": 3}, headers=etag), 412)
    etag = {"If-Match": second.headers["etag"]}
    third = served.put(path, json={**note, "id": None, "title": "b"}, headers=etag)
    assert (200, "b", []) == (third.status_code, third.json()["title"], third.json()["steps"])
    problem(served.put(path, json={"title": "c"}, headers=etag), 412)
    assert Note(id=note["id"], title="b", extra={"size": [1.5]}) == ctx.get(Note, note["id"])


BAD_NOTES: list[tuple[str, dict[str, list[str]]]] = [
    ('{"title": 5}', {"title": ["value_error"]}),
    ('{"title": "%s"}' % ("x" * 21), {"title": ["too_long"]}),
    ('{"title": "a", "points": NaN}', {"points": ["value_error"]}),
    ('{"title": "a", "points": -1}', {"points": ["greater_than_equal"]}),
    ('{"title": "a", "state": "lost"}', {"state": ["value_error"]}),
    ('{"title": "a", "steps": {}}', {"steps": ["value_error"]}),
    ('{"title": "a", "steps": [{"done": 1}]}', {"steps.0.title": ["missing"], "steps.0.done": ["value_error"]}),
    ('{"title": "a", "extra": {"a": NaN}}', {"extra.a": ["value_error"]}),
    ('{"title": "a", "extra": {"a": [{"b": 1e999}]}}', {"extra.a.0.b": ["value_error"]}),
    ('{"title": "a", "extra": {"a": [[1]]}}', {"extra.a.0": ["value_error"]}),
    ('{"title": "a", "extra": {"\\ud800": 1}}', {"extra": ["value_error"]}),
    ('{"title": "a", "extra": {"a": 9223372036854775808}}', {"extra.a": ["value_error"]}),
    ('{"title": "\\ud800"}', {"title": ["value_error"]}),
    ('{"title": "a", "titel": "b"}', {"titel": ["extra_forbidden"]}),
    ('{"title": "a", "secret": ["a stored secret"]}', {"secret": ["value_error"]}),
    ('{"titel": 1, "points": "x"}', {"titel": ["extra_forbidden"], "points": ["value_error"]}),
]


@pytest.mark.parametrize(("body", "expected"), BAD_NOTES, ids=lambda value: str(value)[:50])
def test_models_and_patches_that_do_not_fit_are_problems(
    served: Any, ctx: Cendry, body: str, expected: dict[str, list[str]]
) -> None:
    ctx.save(Note(id="kept", title="kept"))
    before = ctx.select(Note).to_list()
    headers = {"Content-Type": "application/json"}
    for method, path in (("POST", "/notes"), ("PUT", "/notes/kept"), ("PATCH", "/notes/kept")):
        found = problem(served.request(method, path, content=body, headers=headers), 422)
        errors: dict[str, list[str]] = {}
        for error in found["errors"]:
            assert "body" == error["loc"][0]
            errors.setdefault(".".join(map(str, error["loc"][1:])), []).append(error["type"])
        missing = {} if '"title"' in body or method == "PATCH" else {"title": ["missing"]}
        assert {**expected, **missing} == errors
    assert before == ctx.select(Note).to_list()


@pytest.mark.parametrize("body", HOSTILE, ids=lambda body: repr(body[:40]))
def test_hostile_bodies_are_no_models_and_no_patches(served: Any, ctx: Cendry, body: bytes) -> None:
    ctx.save(Note(id="kept", title="kept"))
    before = ctx.select(Note).to_list()
    headers = {"Content-Type": "application/json"}
    for method, path in (("POST", "/notes"), ("PUT", "/notes/kept"), ("PATCH", "/notes/kept")):
        response = served.request(method, path, content=body, headers=headers)
        problem(response, response.status_code if response.status_code == 400 else 422)
        assert 20_000 > len(response.content)
    assert before == ctx.select(Note).to_list()


def test_what_an_endpoint_never_takes(served: Any, ctx: Cendry) -> None:
    ctx.save(Note(id="kept", title="kept"))
    assert ["body", "id"] == problem(served.post("/notes", json={"title": "a", "id": "mine"}), 422)["errors"][0]["loc"]
    assert ["body", "id"] == problem(served.patch("/notes/kept", json={"id": "x"}), 422)["errors"][0]["loc"]
    assert "too_short" == problem(served.patch("/notes/kept", json={}), 422)["errors"][0]["type"]
    # The rule of the class for the whole: of a complete body by pydantic, where the endpoint has the instance.
    found = problem(served.post("/notes", json={"title": "a", "state": "done"}), 422)
    assert ["body"] == found["errors"][0]["loc"]
    assert "nothing was done" in found["errors"][0]["msg"]
    problem(served.patch("/notes/none", json={"title": "a"}), 404)
    assert Note(id="kept", title="kept") == ctx.get(Note, "kept")


# --- etags ---


def test_a_document_is_written_only_if_it_has_the_etag(served: Any) -> None:
    first = served.put("/tasks/tagged", json={"title": "a"})
    etag = first.headers["etag"]
    assert etag == served.get("/tasks/tagged").headers["etag"]
    second = served.put("/tasks/tagged", json={"title": "b"}, headers={"If-Match": etag})
    assert 200 == second.status_code
    assert etag != second.headers["etag"]
    stale = {"If-Match": etag}
    problem(served.put("/tasks/tagged", json={"title": "c"}, headers=stale), 412)
    problem(served.patch("/tasks/tagged", json={"title": "c"}, headers=stale), 412)
    problem(served.delete("/tasks/tagged", headers=stale), 412)
    assert "b" == served.get("/tasks/tagged").json()["title"]
    fresh = {"If-Match": second.headers["etag"].strip('"')}
    assert 200 == served.patch("/tasks/tagged", json={"title": "c"}, headers=fresh).status_code
    assert 204 == served.delete("/tasks/tagged").status_code


@pytest.mark.parametrize(
    "header",
    ["", "x", '"x"', 'W/"x"', '"x', "*, *", '"\xff"', "x" * 5000, '"of", "others"', "W/*"],
)
def test_other_etags_are_refused(served: Any, header: str) -> None:
    served.put("/tasks/tagged", json={"title": "a"})
    for method, body in (("PUT", {"title": "b"}), ("PATCH", {"title": "b"}), ("DELETE", None)):
        found = problem(
            served.request(method, "/tasks/tagged", json=body, headers={"If-Match": header.encode("latin-1")}), 412
        )
        assert found["detail"].endswith("is not an etag of document 'tasks/tagged'.")
    assert "a" == served.get("/tasks/tagged").json()["title"]


def test_a_weak_etag_is_refused(served: Any) -> None:
    etag = served.put("/tasks/tagged", json={"title": "a"}).headers["etag"]
    problem(served.put("/tasks/tagged", json={"title": "b"}, headers={"If-Match": f"W/{etag}"}), 412)


def test_one_of_several_etags_has_to_match(served: Any) -> None:
    old = served.put("/tasks/tagged", json={"title": "a"}).headers["etag"]
    new = served.put("/tasks/tagged", json={"title": "b"}).headers["etag"]
    for values in ([f'"x", {old}, {new}'], [new, old], ['"x"', f"W/{old},{new}"]):
        headers = [("If-Match", value) for value in values]
        response = served.put("/tasks/tagged", json={"title": "b"}, headers=headers)
        assert (200, new) == (response.status_code, response.headers["etag"])
    problem(served.put("/tasks/tagged", json={"title": "c"}, headers=[("If-Match", '"x"'), ("If-Match", old)]), 412)


def test_a_star_asks_for_a_document_that_exists(served: Any) -> None:
    served.delete("/tasks/starred")
    star = {"If-Match": "*"}
    for method, body in (("PUT", {"title": "b"}), ("PATCH", {"title": "b"}), ("DELETE", None)):
        found = problem(served.request(method, "/tasks/starred", json=body, headers=star), 404)
        assert "There is no such document: 'tasks/starred'." == found["detail"]
    assert 404 == served.get("/tasks/starred").status_code
    served.put("/tasks/starred", json={"title": "a"})
    assert 200 == served.put("/tasks/starred", json={"title": "b"}, headers=star).status_code
    assert 204 == served.delete("/tasks/starred", headers=star).status_code


def test_an_instance_that_was_never_written_has_no_etag() -> None:
    with pytest.raises(CendryError, match="has no metadata"):
        set_etag(Response(), Task(id="a", title="a", points=1))


# --- websockets ---


@pytest.mark.skipif(starlette.__version__.startswith("0."), reason="its test client does not end after a close")
def test_websockets_are_refused_or_closed() -> None:
    app = FastAPI()
    add_exception_handlers(app)

    @app.websocket("/{name}")
    async def socket(socket: WebSocket, name: str, after: int = 0, if_match: IfMatch = None) -> None:
        if after > 0:
            await socket.accept()
        if after > 1:
            await socket.close()
        raise ERRORS[name]

    client = TestClient(app)
    for name in ("missing", "http-empty"):
        with client.websocket_connect(f"/{name}?after=1") as session, pytest.raises(WebSocketDisconnect) as caught:
            session.receive_text()
        assert 1011 == caught.value.code
        with client.websocket_connect(f"/{name}?after=2") as session, pytest.raises(WebSocketDisconnect) as caught:
            session.receive_text()
        assert 1000 == caught.value.code
        with pytest.raises(WebSocketDisconnect) as caught, client.websocket_connect(f"/{name}"):
            pass
        problem(caught.value, 404)


# --- OpenAPI ---


def test_openapi_describes_problems(served: Any) -> None:
    document = served.get("/openapi.json").json()
    schemas = {"Body", "NewNote", "Note", "NotePatch", "Problem", "Step"}
    assert schemas == document["components"]["schemas"].keys()
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in document["paths"].values():
        for operation in path.values():
            assert content == operation["responses"]["default"]["content"]
    put = document["paths"]["/tasks/{task_id}"]["put"]
    assert content == put["responses"]["422"]["content"]
    [_, header] = put["parameters"]
    assert ("If-Match", "header", False) == (header["name"], header["in"], header["required"])


def test_openapi_is_that_of_the_routes_there_are() -> None:
    app = FastAPI()

    @app.get("/first/{n}", responses={422: {"model": Body}, "default": {"description": "Mine"}})
    async def first(n: int) -> None: ...

    assert "HTTPValidationError" not in json.dumps(app.openapi())
    add_exception_handlers(app)
    add_exception_handlers(app)
    document = app.openapi()
    assert document is app.openapi()
    responses = document["paths"]["/first/{n}"]["get"]["responses"]
    assert {"$ref": "#/components/schemas/Body"} == responses["422"]["content"]["application/json"]["schema"]
    assert "Mine" == responses["default"]["description"]


def test_a_schema_of_ones_own_called_problem_stays() -> None:
    app = FastAPI()
    add_exception_handlers(app)

    @app.post("/")
    async def post(body: OwnProblem) -> None: ...

    document = app.openapi()
    assert ["CendryProblem", "Problem"] == sorted(document["components"]["schemas"])
    assert {"name"} == document["components"]["schemas"]["Problem"]["properties"].keys()
    [schema] = document["paths"]["/"]["post"]["responses"]["422"]["content"].values()
    assert {"schema": {"$ref": "#/components/schemas/CendryProblem"}} == schema


def test_fastapis_own_schema_stays_where_it_is_used() -> None:
    app = FastAPI()
    add_exception_handlers(app)
    shown = {"application/json": {"schema": {"$ref": "#/components/schemas/HTTPValidationError"}}}

    @app.post("/", responses={400: {"content": shown}})
    async def post(body: Body) -> None: ...

    schemas = app.openapi()["components"]["schemas"]
    assert {"Body", "HTTPValidationError", "Problem", "ValidationError"} == schemas.keys()


# --- the module ---


def test_fastapi_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cendry.fastapi")
    monkeypatch.delattr(cendry, "fastapi")
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(ImportError, match="which is not installed. Install it with: pip install fastapi"):
        import_module("cendry.fastapi")


def test_an_error_of_fastapis_own_imports_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cendry.fastapi")
    monkeypatch.setitem(sys.modules, "starlette.websockets", None)
    with pytest.raises(ModuleNotFoundError, match="starlette.websockets"):
        import_module("cendry.fastapi")
