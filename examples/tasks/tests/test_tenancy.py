"""Bob knows all of Ada's ids, tokens and etags, and reaches nothing."""

from __future__ import annotations

import pytest
from cendry import AsyncCendry
from checks import problem, stored
from conftest import Tenant


async def test_nobody_reaches_the_documents_of_another_by_id(ada: Tenant, bob: Tenant, ctx: AsyncCendry) -> None:
    task = await ada.add_task()
    comment = {"author": "Bob", "text": "Hello"}
    await ada.http.post(f"{task}/comments", json=comment)
    etag = (await ada.http.get(task)).headers["ETag"]
    before = await stored(ctx)

    for path in (ada.tasks, task):
        problem(await bob.http.get(path), 404)
    problem(await bob.http.post(ada.tasks, json={"title": "Mine"}), 404)
    for headers in ({}, {"If-Match": etag}, {"If-Match": "*"}):
        assert problem(await bob.http.patch(task, json={"title": "Mine"}, headers=headers))["status"] in (404, 412)
    problem(await bob.http.post(f"{task}/comments", json=comment), 404)
    problem(await bob.http.post(f"/projects/{ada.project}/import", json=[{"title": "Mine"}]), 404)
    for source, target in ((ada.project, bob.project), (bob.project, ada.project)):
        body = {"source": source, "target": target, "hours": 1}
        problem(await bob.http.post("/transfers", json=body), 404)
    event = {"project": ada.project, "hours": 1}
    problem(await bob.http.post("/webhooks/hours", json=event, headers={"Webhook-Id": "e1"}), 404)
    # Deleting what isn't there is no error, and deletes nothing.
    assert (await bob.http.delete(task)).status_code == 204
    assert (await bob.http.delete(f"/projects/{ada.project}")).status_code == 204

    assert await stored(ctx) == before
    assert (await bob.http.get("/feed")).json()["items"] == []
    assert [each["id"] for each in (await bob.http.get("/projects")).json()["items"]] == [bob.project]


async def test_the_same_ids_are_other_documents(ada: Tenant, bob: Tenant) -> None:
    for tenant, title in ((ada, "Ada's"), (bob, "Bob's")):
        rows = [{"id": "one", "title": title}]
        assert (await tenant.http.post(f"/projects/{tenant.project}/import", json=rows)).status_code == 200
        event = {"project": tenant.project, "hours": 5}
        answer = await tenant.http.post("/webhooks/hours", json=event, headers={"Webhook-Id": "e1"})
        assert answer.json() == {"new": True}

    assert (await ada.http.get(f"{ada.tasks}/one")).json()["title"] == "Ada's"
    assert (await bob.http.get(f"{bob.tasks}/one")).json()["title"] == "Bob's"


async def test_page_tokens_are_of_no_use_to_others(ada: Tenant, bob: Tenant) -> None:
    for tenant in (ada, bob):
        for number in range(3):
            task = await tenant.add_task(f"{number}")
            await tenant.http.post(f"{task}/comments", json={"author": "x", "text": "y"})
        await tenant.http.post("/projects", json={"name": "Another"})

    for ours, theirs in (("/feed", "/feed"), (ada.tasks, bob.tasks), ("/projects", "/projects")):
        token = (await ada.http.get(ours, params={"size": 1})).json()["next_token"]
        assert token
        for side in ("after", "before"):
            problem(await bob.http.get(theirs, params={"size": 1, side: token}), 422)
        # Nor for another list of the same organisation.
        for other in {"/feed", ada.tasks, "/projects"} - {ours}:
            problem(await ada.http.get(other, params={"size": 1, "after": token}), 422)


@pytest.mark.parametrize("way_out", ["%2e%2e", "%2e", "%2f", "..%2f..", "__x__", "%00", "%ff", "x" * 2_000])
async def test_no_id_leads_elsewhere(ada: Tenant, bob: Tenant, ctx: AsyncCendry, way_out: str) -> None:
    await ada.add_task()
    before = await stored(ctx)
    climbing = f"{way_out}%2forganisations%2f{ada.id}%2fprojects%2f{ada.project}"

    for id in (way_out, climbing, f"{bob.project}%2ftasks%2fx%2f..%2f..%2f{ada.project}"):
        for path in (f"/projects/{id}/tasks", f"/projects/{id}/tasks/{id}", f"{bob.tasks}/{id}"):
            problem(await bob.http.get(path))
            problem(await bob.http.patch(path, json={"title": "Mine"}))
        if (deleted := await bob.http.delete(f"{bob.tasks}/{id}")).status_code != 204:
            problem(deleted)
        body = {"source": id, "target": bob.project, "hours": 1}
        problem(await bob.http.post("/transfers", json=body))

    assert await stored(ctx) == before
