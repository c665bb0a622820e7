from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from app.models import Task
from cendry import AsyncCendry
from checks import problem, stored
from conftest import Tenant
from fastapi import FastAPI


async def hours(tenant: Tenant) -> dict[str, int]:
    projects = (await tenant.http.get("/projects")).json()["items"]
    return {project["name"]: project["hours"] for project in projects}


async def buy(tenant: Tenant, event: str, **body: object) -> httpx.Response:
    return await tenant.http.post("/webhooks/hours", json=body, headers={"Webhook-Id": event})


async def add_project(tenant: Tenant, name: str) -> str:
    answer = await tenant.http.post("/projects", json={"name": name})
    assert answer.status_code == 201
    id: str = answer.json()["id"]
    return id


# --- keys ---


async def test_a_key_shows_its_organisation(ada: Tenant) -> None:
    organisation = (await ada.http.get("/organisation")).json()

    assert (organisation["id"], organisation["name"]) == (ada.id, "Ada's")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Bearer a/b", "Basic YTpi", "Bearer \xe9"])
async def test_without_a_valid_key_there_is_nothing(ada: Tenant, header: str) -> None:
    ada.http.headers["Authorization"] = header
    for path in ("/organisation", "/projects", "/feed", "/dashboard", ada.tasks, f"{ada.tasks}/x"):
        answer = await ada.http.get(path)
        problem(answer, 401)
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_the_key_can_be_a_cookie_that_no_script_reads(app: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test.local") as http:
        answer = await http.post("/organisations", json={"name": "Eve's"})
        assert {"HttpOnly", "SameSite=strict"} <= set(answer.headers["Set-Cookie"].split("; "))
        assert (await http.get("/organisation")).json() == answer.json()["organisation"]


# --- projects and tasks ---


async def test_projects_are_listed_by_name(ada: Tenant) -> None:
    await add_project(ada, "Alpha")

    assert list(await hours(ada)) == ["Alpha", "First project"]


async def test_a_project_is_deleted_with_all_that_is_below_it(ada: Tenant, ctx: AsyncCendry) -> None:
    before = await stored(ctx)
    project = await add_project(ada, "Alpha")
    task = (await ada.http.post(f"/projects/{project}/tasks", json={"title": "One"})).json()["id"]
    comment = {"author": "Ada", "text": "Done?"}
    await ada.http.post(f"/projects/{project}/tasks/{task}/comments", json=comment)
    assert len(await stored(ctx)) == len(before) + 3

    for _ in range(2):
        assert (await ada.http.delete(f"/projects/{project}")).status_code == 204
        assert await stored(ctx) == before
    problem(await ada.http.get(f"/projects/{project}/tasks"), 404)
    problem(await ada.http.post(f"/projects/{project}/tasks", json={"title": "One"}), 404)


async def test_a_task_is_what_was_sent_and_what_the_server_sets(ada: Tenant) -> None:
    sent = {
        "title": "Write the tests",
        "notes": "All of them",
        "status": "doing",
        "priority": 1,
        "labels": ["bug", "docs"],
        "assignee": "Ada",
        "due": "2030-01-31",
        "steps": [{"title": "Begin", "done": True}, {"title": "Go on", "done": False}],
    }
    answer = await ada.http.post(ada.tasks, json=sent)
    assert answer.status_code == 201
    task = answer.json()

    assert {name: sorted(task[name]) if name == "labels" else task[name] for name in sent} == sent
    assert set(task) - set(sent) == {"id", "comments", "created", "updated"}
    shown = await ada.http.get(f"{ada.tasks}/{task['id']}")
    assert shown.json() == task
    assert shown.headers["ETag"] == answer.headers["ETag"]


async def test_tasks_are_listed_by_status_and_page_by_page(ada: Tenant) -> None:
    for title in "abcde":
        await ada.add_task(title, status="done" if title in "bd" else "open")

    async def titles(**params: Any) -> tuple[str, dict[str, Any]]:
        answer = await ada.http.get(ada.tasks, params=params)
        assert answer.status_code == 200, answer.text
        return "".join(task["title"] for task in answer.json()["items"]), answer.json()

    assert (await titles())[0] == "edcba"
    assert (await titles(status="done"))[0] == "db"
    _, done = await titles(status="done", size=1)
    done_next, done = await titles(status="done", size=1, after=done["next_token"])
    done_back, _ = await titles(status="done", size=1, before=done["previous_token"])
    assert (done_next, done_back) == ("b", "d")

    first, page = await titles(size=2)
    second, next_page = await titles(size=2, after=page["next_token"])
    await ada.add_task("f")
    back, _ = await titles(size=2, before=next_page["previous_token"])
    last, last_page = await titles(size=2, after=next_page["next_token"])
    assert (first, second, back, last) == ("ed", "cb", "ed", "a")
    assert (page["previous_token"], last_page["next_token"]) == (None, None)


async def test_what_is_not_there_is_404(ada: Tenant) -> None:
    task, elsewhere = f"{ada.tasks}/none", "/projects/none/tasks"
    comment = {"author": "Ada", "text": "?"}
    problem(await ada.http.get(task), 404)
    problem(await ada.http.patch(task, json={"title": "New"}), 404)
    problem(await ada.http.post(f"{task}/comments", json=comment), 404)
    problem(await ada.http.get(elsewhere), 404)
    problem(await ada.http.post("/projects/none/import", json=[{"title": "New"}]), 404)
    problem(await buy(ada, "e1", project="none", hours=1), 404)
    problem(await ada.http.get("/nowhere"), 404)
    problem(await ada.http.put(task, json={}), 405)


# --- PATCH and If-Match ---


async def test_a_patch_changes_what_it_names(ada: Tenant) -> None:
    task = await ada.add_task(notes="All of them", assignee="Ada", steps=[{"title": "Begin"}])
    before = (await ada.http.get(task)).json()

    changed = await ada.http.patch(task, json={"status": "done", "assignee": None, "steps": [{"title": "End"}]})

    expected = {**before, "status": "done", "assignee": None, "steps": [{"title": "End", "done": False}]}
    assert changed.status_code == 200, changed.text
    assert {**changed.json(), "updated": None} == {**expected, "updated": None}
    assert changed.json()["updated"] > before["updated"]
    shown = await ada.http.get(task)
    assert (shown.json(), shown.headers["ETag"]) == (changed.json(), changed.headers["ETag"])


async def test_a_patch_fits_only_the_version_that_it_names(ada: Tenant) -> None:
    task = await ada.add_task()
    etag = (await ada.http.get(task)).headers["ETag"]
    other = (await ada.http.get(await ada.add_task("Other"))).headers["ETag"]
    patch = {"status": "doing"}

    first = await ada.http.patch(task, json=patch, headers={"If-Match": etag})
    assert first.status_code == 200
    # The old one, another document's, and what is none.
    for stale in (etag, other, '"x"', "x", 'W/"x"', f"{etag}x", '""'):
        problem(await ada.http.patch(task, json={"status": "done"}, headers={"If-Match": stale}), 412)
    assert (await ada.http.get(task)).json() == first.json()

    several = f"{etag}, {first.headers['ETag']}"
    for fitting in (first.headers["ETag"], "*"):
        answer = await ada.http.patch(task, json=patch, headers={"If-Match": fitting})
        assert answer.status_code == 200, (fitting, answer.text)
    problem(await ada.http.patch(task, json=patch, headers={"If-Match": several}), 412)
    latest = (await ada.http.get(task)).headers["ETag"]
    assert (await ada.http.patch(task, json=patch, headers={"If-Match": f"{etag}, {latest}"})).status_code == 200


async def test_of_two_patches_of_one_version_one_is_done(ada: Tenant) -> None:
    task = await ada.add_task()
    headers = {"If-Match": (await ada.http.get(task)).headers["ETag"]}

    answers = await asyncio.gather(
        *(ada.http.patch(task, json={"title": name}, headers=headers) for name in ("one", "two"))
    )

    assert sorted(answer.status_code for answer in answers) == [200, 412]
    (done,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert (await ada.http.get(task)).json() == done


@pytest.mark.parametrize("patch", [{}, {"title": None}, {"id": "x"}, {"comments": 5}, {"steps": [{"done": True}]}])
async def test_a_patch_that_does_not_fit_changes_nothing(ada: Tenant, patch: dict[str, Any]) -> None:
    task = await ada.add_task()
    before = (await ada.http.get(task)).json()

    problem(await ada.http.patch(task, json=patch), 422)
    assert (await ada.http.get(task)).json() == before


# --- comments and the feed ---


async def test_the_feed_has_the_comments_of_all_tasks_in_both_directions(ada: Tenant) -> None:
    tasks = [await ada.add_task("one"), await ada.add_task("two")]
    for number in range(5):
        body = {"author": "Ada", "text": f"{number}"}
        assert (await ada.http.post(f"{tasks[number % 2]}/comments", json=body)).status_code == 201

    async def page(**params: Any) -> tuple[str, dict[str, Any]]:
        answer = await ada.http.get("/feed", params=params)
        assert answer.status_code == 200, answer.text
        return "".join(comment["text"] for comment in answer.json()["items"]), answer.json()

    first, one = await page(size=2)
    second, two = await page(size=2, after=one["next_token"])
    third, three = await page(size=2, after=two["next_token"])
    assert (first, second, third, three["next_token"]) == ("43", "21", "0", None)
    back, one_again = await page(size=2, before=two["previous_token"])
    assert (back, one_again["previous_token"]) == ("43", None)
    assert set(one["items"][0]) == {"id", "author", "text", "reminder", "created"}
    assert [(await ada.http.get(task)).json()["comments"] for task in tasks] == [3, 2]


async def test_a_task_is_deleted_with_its_comments(ada: Tenant) -> None:
    task = await ada.add_task()
    await ada.http.post(f"{task}/comments", json={"author": "Ada", "text": "?"})

    assert (await ada.http.delete(task)).status_code == 204
    problem(await ada.http.get(task), 404)
    assert (await ada.http.get("/feed")).json()["items"] == []


# --- hours ---


async def test_an_event_that_is_delivered_twice_at_once_counts_once(ada: Tenant) -> None:
    answers = await asyncio.gather(*(buy(ada, "e1", project=ada.project, hours=8) for _ in range(2)))

    assert sorted(answer.json()["new"] for answer in answers) == [False, True]
    assert await hours(ada) == {"First project": 8}
    assert (await buy(ada, "e1", project=ada.project, hours=8)).json() == {"new": False}
    assert (await buy(ada, "e2", project=ada.project, hours=1)).json() == {"new": True}
    assert await hours(ada) == {"First project": 9}


async def test_an_event_needs_an_id(ada: Tenant) -> None:
    body = {"project": ada.project, "hours": 8}
    problem(await ada.http.post("/webhooks/hours", json=body), 422)
    for bad in ("a/b", "..", ""):
        problem(await buy(ada, bad, **body), 422)


async def test_hours_move_and_never_get_lost(ada: Tenant) -> None:
    other = await add_project(ada, "Other")
    await buy(ada, "e1", project=ada.project, hours=10)

    async def move(hours: int) -> int:
        body = {"source": ada.project, "target": other, "hours": hours}
        return (await ada.http.post("/transfers", json=body)).status_code

    assert await asyncio.gather(*map(move, (3, 4))) == [200, 200]
    assert await hours(ada) == {"First project": 3, "Other": 7}
    assert await move(4) == 409
    assert await hours(ada) == {"First project": 3, "Other": 7}


async def test_a_transfer_needs_two_projects(ada: Tenant) -> None:
    await buy(ada, "e1", project=ada.project, hours=10)
    for target, status in ((ada.project, 422), ("none", 404), ("a/b", 422), ("", 422)):
        body = {"source": ada.project, "target": target, "hours": 1}
        problem(await ada.http.post("/transfers", json=body), status)
    assert await hours(ada) == {"First project": 10}


# --- import ---


async def test_an_import_tells_what_became_of_each_row(ada: Tenant, ctx: AsyncCendry) -> None:
    await ada.http.post(f"/projects/{ada.project}/import", json=[{"id": "there", "title": "There"}])
    rows = [
        {"id": "one", "title": "One", "due": "2030-01-31"},
        {"title": "Two"},
        {"title": ""},
        {"title": "Three", "steps": [{"title": "First"}, {"title": ""}]},
        {"id": "there", "title": "Again"},
        {"id": "a/b", "title": "Nowhere"},
        {"id": "one", "title": "Another one"},
        "nothing",
    ]

    answer = await ada.http.post(f"/projects/{ada.project}/import", json=rows)

    assert answer.status_code == 200, answer.text
    results = answer.json()
    assert [bool(result["error"]) for result in results] == [False, False, True, True, True, True, True, True]
    assert "already exists" in results[4]["error"]
    assert results[3]["error"].startswith("steps.1.title: ")
    tasks = await ctx.select_group(Task).to_list()
    assert {task.id: task.title for task in tasks} == {"there": "There", "one": "One", results[1]["id"]: "Two"}


async def test_many_rows_are_imported(ada: Tenant) -> None:
    rows = [{"title": f"Task {number}"} for number in range(300)]
    results = (await ada.http.post(f"/projects/{ada.project}/import", json=rows)).json()

    assert [result["error"] for result in results] == [None] * 300
    assert len({result["id"] for result in results}) == 300
