"""Values that no client sends by accident, to every endpoint: never a 500, never a changed document."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from cendry import AsyncCendry
from checks import problem, stored
from conftest import Tenant

# Text of JSON, since some of it is what no encoder gives.
NOT_TEXT = {
    "null": b"null",
    "a bool": b"true",
    "zero": b"0",
    "a fraction": b"1.5",
    "not a number": b"NaN",
    "infinity": b"-Infinity",
    "beyond float": b"1e999",
    "beyond int64": b"9223372036854775808",
    "5,000 digits": b"9" * 5_000,
    "an empty list": b"[]",
    "nested lists": b"[[[[1]]]]",
    "a list of nulls": b"[null, null]",
    "50,000 items": b"[" + b'"x",' * 49_999 + b'"x"]',
    "too deep for the parser": b"[" * 100_000 + b"]" * 100_000,
    "50 maps deep": b'{"a":' * 50 + b"1" + b"}" * 50,
    "an empty object": b"{}",
    "keys of JavaScript": b'{"__proto__": {"admin": true}, "constructor": 1}',
    "dotted keys": b'{"steps.title": "x", "a.b": 1, "`": 2}',
    "an empty key": b'{"": 1}',
    "one key twice": b'{"title": 1, "title": 2}',
    "not UTF-8": b'"\xff\xfe"',
    "broken off": b'{"title": ',
    "no JSON": b"title=x",
}
TEXT = {
    "an empty text": b'""',
    "half a surrogate": rb'"\ud800"',
    "2 MB": b'"' + b"x" * 2_000_000 + b'"',
    "a path": b'"a/b"',
    "a way up": b'".."',
    "a reserved name": b'"__x__"',
    "NUL": rb'"\u0000"',
}


@pytest.fixture
def package() -> str:
    """The app alone: by hand, some of these do harm."""
    return "app"


class Place(NamedTuple):
    """A field of a body: its endpoint, and the body around it."""

    method: str
    path: str
    before: bytes
    after: bytes

    @property
    def what(self) -> str:
        return f"{self.method} {self.path} {self.before.decode()}"


def places(tenant: Tenant, task: str) -> list[Place]:
    tasks, project = tenant.tasks, tenant.project.encode()
    comments, rows = f"{task}/comments", f"/projects/{tenant.project}/import"
    return [
        Place("POST", "/organisations", b'{"name": ', b"}"),
        Place("POST", "/projects", b'{"name": ', b"}"),
        Place("POST", tasks, b'{"title": ', b"}"),
        *(
            Place("POST", tasks, b'{"title": "x", "%s": ' % name, b"}")
            for name in (b"status", b"priority", b"labels", b"due", b"steps", b"created", b"id", b"x")
        ),
        Place("POST", tasks, b'{"title": "x", "labels": [', b"]}"),
        Place("POST", tasks, b'{"title": "x", "steps": [', b"]}"),
        Place("POST", tasks, b'{"title": "x", "steps": [{"title": ', b"}]}"),
        Place("POST", tasks, b'{"title": "x", "steps": [{"title": "x", "done": ', b"}]}"),
        *(Place("PATCH", task, b'{"%s": ' % name, b"}") for name in (b"title", b"status", b"due", b"steps", b"id")),
        Place("POST", comments, b'{"author": "x", "text": ', b"}"),
        Place("POST", comments, b'{"author": "x", "text": "x", "organisation": ', b"}"),
        Place("POST", "/transfers", b'{"target": "%s", "hours": 1, "source": ' % project, b"}"),
        Place("POST", "/transfers", b'{"target": "%s", "source": "x", "hours": ' % project, b"}"),
        Place("POST", "/webhooks/hours", b'{"hours": 1, "project": ', b"}"),
        Place("POST", "/webhooks/hours", b'{"project": "%s", "hours": ' % project, b"}"),
        Place("POST", rows, b"", b""),
    ]


# What is a value of some fields after all.
FITTING = {
    "null": {b'{"due": ', b'"due": '},
    "a bool": {b'"done": '},
    "an empty list": {b'"labels": ', b'"labels": [', b'"steps": ', b'{"steps": '},
    "50,000 items": {b'"labels": '},
}


def fits(name: str, place: Place) -> bool:
    return any(place.before.endswith(end) for end in FITTING.get(name, ()))


async def send(tenant: Tenant, place: Place, value: bytes) -> int:
    headers = {"Content-Type": "application/json", "Webhook-Id": "hostile"}
    content = place.before + value + place.after
    answer = await tenant.http.request(place.method, place.path, content=content, headers=headers)
    assert answer.status_code < 500, (place.what, value[:100], answer.text[:500])
    if answer.status_code >= 400:
        problem(answer)
        assert len(answer.content) < 20_000, (place.what, value[:100])
    return answer.status_code


@pytest.mark.parametrize("name", NOT_TEXT)
async def test_what_is_no_text_is_refused(ada: Tenant, ctx: AsyncCendry, name: str) -> None:
    task = await ada.add_task()
    before = await stored(ctx)

    for place in places(ada, task):
        if not fits(name, place):
            assert await send(ada, place, NOT_TEXT[name]) >= 400 or place.path.endswith("/import"), place.what
            # As the whole body, too.
            whole = Place(place.method, place.path, b"", b"")
            assert await send(ada, whole, NOT_TEXT[name]) >= 400 or place.path.endswith("/import"), place.what

    assert await stored(ctx) == before


@pytest.mark.parametrize("name", TEXT)
async def test_text_is_kept_as_it_is_or_refused(ada: Tenant, ctx: AsyncCendry, name: str) -> None:
    task = await ada.add_task()
    for place in places(ada, task):
        before = await stored(ctx)
        if await send(ada, place, TEXT[name]) >= 400:
            assert await stored(ctx) == before, place.what


HEADERS = ["", ",", "*, *", '"', '""', "W/*", '"a", "b"', "x" * 5_000, '"' + "x" * 5_000 + '"', "\xff", "0", '"0-0"']


@pytest.mark.parametrize("header", HEADERS)
async def test_etags_and_event_ids_are_hostile_too(ada: Tenant, ctx: AsyncCendry, header: str) -> None:
    task = await ada.add_task()
    before = await stored(ctx)
    encoded = header.encode("latin-1")

    patched = await ada.http.patch(task, json={"title": "New"}, headers={b"If-Match": encoded})
    event = {"project": "none", "hours": 1}
    delivered = await ada.http.post("/webhooks/hours", json=event, headers={b"Webhook-Id": encoded})

    problem(delivered)
    if patched.status_code != 200 or header not in ("", ",", "*, *"):
        problem(patched)
        assert await stored(ctx) == before


TOKENS = ["", "x", "A" * 5_000, "\x00", "\ud7ff", "../..", "e30", "null", "%", "AAAAAAAAAAAAAAAA", "🙂"]


@pytest.mark.parametrize("token", TOKENS)
async def test_page_tokens_are_hostile_too(ada: Tenant, token: str) -> None:
    for path in ("/feed", "/projects", ada.tasks):
        for params in ({"after": token}, {"before": token}, {"after": token, "before": token}):
            problem(await ada.http.get(path, params=params), 422)


PARAMETERS = ["size=0", "size=-1", "size=1e3", "size=NaN", f"size={'9' * 5_000}", "size=", "status=x"]


@pytest.mark.parametrize("params", PARAMETERS)
async def test_parameters_are_hostile_too(ada: Tenant, params: str) -> None:
    problem(await ada.http.get(f"{ada.tasks}?{params}"), 422)
