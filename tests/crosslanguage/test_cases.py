"""Google's cross-language conformance cases: the requests that Cendry sends are those of Google's clients.

The cases come with the sdist of the SDK, which is downloaded. `reasons.py` lists those that Cendry doesn't agree with.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable
from typing import Any

import pytest
from cendry import Cendry, CendryError
from crosslanguage import listening
from crosslanguage.calls import CALLS, UnsayableError
from crosslanguage.cases import Case
from crosslanguage.reasons import DISAGREES, UNSAYABLE
from crosslanguage.server import CapturingServer, CommitRequest, GetRequest, QueryRequest
from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]
from google.protobuf.message import Message  # type: ignore[import-untyped]

UNSAID = "can't be said"


def expected_request(case: Case) -> Any:
    """The request that a case wants."""
    match case.kind:
        case "get":
            # Cendry reads one document as it reads several, as the SDK does.
            name = case.body["request"]["name"]
            return GetRequest(database=name.partition("/documents/")[0], documents=[name])
        case "query":
            parent = case.body["collPath"].rpartition("/")[0]
            return ParseDict({"parent": parent, "structuredQuery": case.body["query"]}, QueryRequest())
        case _:
            return ParseDict(case.body["request"], CommitRequest())


def normalized(request: Any) -> Any:
    """A request with what has no order in a fixed one."""
    found = type(request)()
    found.CopyFrom(request)
    for write in getattr(found, "writes", ()):
        if write.HasField("update_mask"):
            write.update_mask.field_paths.sort()
        write.update_transforms.sort(key=lambda one: one.field_path)
    return found


async def outcome(case: Case, ctx: Any, server: CapturingServer) -> str:
    """What is wrong with a call of Cendry; the empty string if it agrees with the case."""
    refused: Exception | None = None
    server.take()
    try:
        answer = CALLS[case.kind](ctx, case.body)
        if inspect.isawaitable(answer):
            await answer
    except UnsayableError:
        return UNSAID
    except (CendryError, TypeError, ValueError) as error:
        if not raised_by_cendry(error):
            raise
        refused = error
    return compared(case, server.take(), refused)


def raised_by_cendry(error: Exception) -> bool:
    """Whether it is a refusal, not a mistake of this suite."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    assert trace is not None
    # Generated code has no module.
    module: str = trace.tb_frame.f_globals.get("__name__", "cendry")
    return module.partition(".")[0] in ("cendry", "cendry_firestore")


def compared(case: Case, requests: list[Message], refused: Exception | None) -> str:
    if refused is not None:
        if requests:
            return f"refused after {len(requests)} requests: {refused}"
        return "" if case.is_error else f"refused: {refused}"
    if case.is_error:
        return f"not refused: {requests}"
    wanted, sent = normalized(expected_request(case)), [normalized(one) for one in requests]
    return "" if sent == [wanted] else f"wanted\n{wanted}\nsent\n{sent}"


def listening_outcome(case: Case, ctx: Any, server: CapturingServer) -> str:
    """What is wrong with the snapshots of a listener; the empty string if they agree with the case."""
    try:
        seen, error = listening.heard(case, ctx, server)
    except listening.NoEndError as no_end:
        return f"no end: {no_end}"
    if case.is_error:
        return "" if error is not None else f"no error: {seen}"
    if error is not None:
        return f"an error: {error}"
    wanted = listening.expected(case)
    return "" if seen == wanted else f"wanted\n{wanted}\nseen\n{seen}"


def check(outcomes: dict[str, str]) -> None:
    """Only what is listed may disagree, and what is listed must."""
    unlisted = [f"{name}: {what}" for name, what in outcomes.items() if what and name not in UNSAYABLE | DISAGREES]
    assert not unlisted, "\n\n".join(unlisted)
    assert [name for name in UNSAYABLE if outcomes.get(name, UNSAID) != UNSAID] == []
    assert [name for name in DISAGREES if outcomes.get(name, "disagrees") in ("", UNSAID)] == []


def of_kind(cases: Iterable[Case], kind: str) -> list[Case]:
    found = [case for case in cases if case.kind == kind]
    assert found
    return found


@pytest.mark.parametrize("kind", CALLS)
async def test_requests_are_those_of_googles_clients(
    kind: str, cases: list[Case], ctx: Any, server: CapturingServer
) -> None:
    check({case.name: await outcome(case, ctx, server) for case in of_kind(cases, kind)})


def test_snapshots_are_those_of_googles_clients(cases: list[Case], server: CapturingServer) -> None:
    with Cendry(project="projectID") as ctx:
        check({case.name: listening_outcome(case, ctx, server) for case in of_kind(cases, "listen")})


def test_every_case_is_run_and_every_listed_case_exists(cases: list[Case]) -> None:
    assert {*CALLS, "listen"} == {case.kind for case in cases}
    assert len(cases) == len({case.name for case in cases}) >= 225
    assert {*UNSAYABLE, *DISAGREES} - {case.name for case in cases} == set()
    assert UNSAYABLE.keys() & DISAGREES.keys() == set()


async def test_a_request_that_differs_is_noticed(cases: list[Case], server: CapturingServer) -> None:
    noticed = 0
    with Cendry(project="projectID") as ctx:
        for case in cases:
            writes = case.body.get("request", {}).get("writes")
            if not writes or await outcome(case, ctx, server):
                continue
            other = copy.deepcopy(case)
            # Another precondition than any case has.
            other.body["request"]["writes"][0]["currentDocument"] = {"updateTime": "1970-01-01T00:00:43Z"}
            assert await outcome(other, ctx, server)
            noticed += 1
    assert noticed > 50
