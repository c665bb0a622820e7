"""What OpenAPI says about models: components by the names of their classes, with what the models say about fields."""

from __future__ import annotations

from typing import Annotated, Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from cendry import Field, Map, Model, Neighbor, Only, Page, Without, json_schema
from fastapi import FastAPI
from pydantic import BaseModel, TypeAdapter
from web.models import Account, Bank, Box, Card, Click, Event, Node, Shelf, Status, Task, Tree, View

ID = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def openapi_of(*kinds: Any) -> dict[str, Any]:
    """The components of an application that answers with these types."""
    app = FastAPI()
    for index, kind in enumerate(kinds):
        app.get(f"/{index}", response_model=kind)(lambda: None)
    return app.openapi()


def components_of(*kinds: Any) -> dict[str, Any]:
    found: dict[str, Any] = openapi_of(*kinds)["components"]["schemas"]
    return {name: each for name, each in found.items() if "ValidationError" not in name}


def named(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def test_classes_are_components_with_what_they_say_about_themselves() -> None:
    found = components_of(list[Task])
    assert ["Bank", "Card", "Item", "Status", "Task"] == sorted(found)
    assert {
        "title": "Task",
        "description": "Something to do.",
        "type": "object",
        "additionalProperties": False,
        "required": ["title"],
        "properties": {
            "id": ID,
            "title": {"type": "string", "maxLength": 20, "description": "What to do.", "examples": ["Call home"]},
            "points": {"type": "integer", "minimum": 0, "default": 1},
            "status": {**named("Status"), "default": "open"},
            "checklist": {"type": "array", "items": named("Item"), "default": []},
            "steps": {"type": "object", "additionalProperties": named("Item"), "default": {}},
            "payment": {
                "anyOf": [
                    {
                        "oneOf": [named("Card"), named("Bank")],
                        "required": ["kind"],
                        "discriminator": {
                            "propertyName": "kind",
                            "mapping": {
                                "card": "#/components/schemas/Card",
                                "bank": "#/components/schemas/Bank",
                            },
                        },
                    },
                    {"type": "null"},
                ]
            },
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
    } == found["Task"]
    assert {
        "title": "Status", "description": "How far a task is.", "type": "string", "enum": ["open", "done"]
    } == found["Status"]  # fmt: skip


def test_the_answer_refers_to_the_component() -> None:
    paths = openapi_of(Task)["paths"]
    assert named("Task") == paths["/0"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]


def test_a_model_as_body_and_answer_is_one_component() -> None:
    app = FastAPI()

    @app.post("/")
    def create(account: Account) -> Account:
        return account

    assert {"Account", "StatusName"} == {
        name for name in app.openapi()["components"]["schemas"] if "ValidationError" not in name
    }
    body = app.openapi()["paths"]["/"]["post"]["requestBody"]
    assert {"required": True, "content": {"application/json": {"schema": named("Account")}}} == body
    # It takes unknown keys.
    assert "additionalProperties" not in app.openapi()["components"]["schemas"]["Account"]


def test_an_enum_of_a_model_is_the_one_of_parameters() -> None:
    app = FastAPI()

    @app.get("/")
    def tasks(status: Status) -> list[Task]:
        return [Task(title=status.name)]

    found = app.openapi()
    assert named("Status") == found["paths"]["/"]["get"]["parameters"][0]["schema"]
    assert "Status" in found["components"]["schemas"]


def test_subsets_are_components_of_their_own() -> None:
    found = components_of(
        Annotated[Task, Without("note", "id", "checklist.done")], Annotated[Account, Only("name", name="Name")]
    )
    assert found["TaskWithoutIdChecklistDoneNote"]["title"] == "TaskWithoutIdChecklistDoneNote"
    assert {"title", "points", "status", "checklist", "steps", "payment"} == found["TaskWithoutIdChecklistDoneNote"][
        "properties"
    ].keys()
    assert (
        named("ItemWithoutIdChecklistDoneNote")
        == (found["TaskWithoutIdChecklistDoneNote"]["properties"]["checklist"]["items"])
    )
    assert {"title": {"type": "string"}} == found["ItemWithoutIdChecklistDoneNote"]["properties"]
    assert {"title", "done"} == found["Item"]["properties"].keys()
    assert {"name"} == found["Name"]["properties"].keys()


def test_one_subset_is_one_component_wherever_it_is() -> None:
    class Answer(BaseModel):
        account: Annotated[Account, Without("password")]
        others: list[Annotated[Account, Without(Account.password)]]

    found = components_of(Annotated[Account, Without("password")], Answer)
    assert ["AccountWithoutPassword", "Answer", "StatusName"] == sorted(found)


def test_parts_of_a_named_subset_have_its_name() -> None:
    found = components_of(Annotated[Task, Only("checklist.title", "title", name="TaskIn")])
    assert ["TaskIn", "TaskInItem"] == sorted(found)


def test_tagged_models_are_told_apart_by_a_discriminator() -> None:
    app = FastAPI()
    app.get("/", response_model=Event)(lambda: None)
    schema = app.openapi()["paths"]["/"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert [named("Click"), named("View")] == schema["oneOf"]
    assert {
        "propertyName": "type",
        "mapping": {"click": "#/components/schemas/Click", "view": "#/components/schemas/View"},
    } == schema["discriminator"]
    click = components_of(Event)["Click"]["properties"]
    assert {"id", "type", "at", "x"} == click.keys()
    assert {"const": "click", "default": "click"} == click["type"]
    assert ["Click"] == sorted(components_of(Click))
    assert ["EventInClick", "EventInView"] == sorted(components_of(Annotated[Event, Without("id", name="EventIn")]))
    assert ["ClickWithoutId", "ViewWithoutId"] == sorted(components_of(Annotated[Event, Without("id")]))


def test_classes_that_contain_themselves() -> None:
    found = components_of(Tree)
    assert named("Node") == found["Tree"]["properties"]["root"]
    assert named("Node") == found["Node"]["properties"]["children"]["additionalProperties"]
    assert {"Node"} == components_of(Node).keys()


def test_generic_maps() -> None:
    found = components_of(Shelf, Annotated[Box[int], Only("content")])
    assert ["Box_Item_", "Box_int_", "Box_int_OnlyContent", "Item", "Shelf"] == sorted(found)
    assert {"type": "integer"} == found["Box_int_"]["properties"]["content"]
    assert named("Box_Item_") == found["Shelf"]["properties"]["items"]["items"]


def test_two_classes_of_one_name_are_two_components() -> None:
    def make(kind: Any) -> Any:
        class Thing(Map):
            value: Field[kind]

        return Thing

    first: Any = make(int)
    second: Any = make(str)

    class Both(Model, collection="both"):
        first_one: Field[first]
        second_one: Field[second]

    found = components_of(Both)
    assert len(found) == 3
    own = found["Both"]["properties"]
    kinds = [found[own[name]["$ref"].rpartition("/")[2]] for name in ("first_one", "second_one")]
    assert ["integer", "string"] == [each["properties"]["value"]["type"] for each in kinds]
    assert ["Thing", "Thing"] == [each["title"] for each in kinds]


@pytest.mark.parametrize("mode", ["validation", "serialization"])
@pytest.mark.parametrize("kind", [Task, Tree, Event, Click, Account, Shelf], ids=str)
def test_schemas_are_those_of_cendry(kind: Any, mode: Any) -> None:
    found = TypeAdapter(kind).json_schema(mode=mode)
    jsonschema.Draft202012Validator.check_schema(found)
    values: dict[Any, list[Any]] = {
        Task: [{"title": "x"}, {"titel": "x"}, {"title": "x", "points": -1}, {"title": "x", "payment": {"kind": "a"}}],
        Tree: [{"root": {"name": "a", "children": {"b": {"name": "c"}}}}, {"root": {"name": "a", "children": 1}}],
        Event: [{"type": "click", "at": 1, "x": 1}, {"type": "view", "at": 1, "x": 1}, {"at": 1, "x": 1}],
        Click: [{"at": 1, "x": 1}, {"at": 1, "x": "1"}],
    }
    if kind in values:
        expected = json_schema(kind)
        for value in values[kind]:
            assert jsonschema.Draft202012Validator(expected).is_valid(value) == (
                jsonschema.Draft202012Validator(found).is_valid(value)
            ), value


def test_pages_and_neighbors_are_components() -> None:
    found = components_of(Page[Account], list[Neighbor[Account]])
    assert {"Account", "StatusName", "Page_Account_", "Neighbor_Account_"} == found.keys()
    assert {"items", "next_token", "previous_token"} == found["Page_Account_"]["properties"].keys()
    assert named("Account") == found["Page_Account_"]["properties"]["items"]["items"]
    assert "A page of results, with the tokens of its neighbours." == found["Page_Account_"]["description"]
    assert found["Neighbor_Account_"]["description"].startswith("A document, and how far")


def test_parts_of_unions_are_components() -> None:
    found = components_of(Annotated[Task, Only("payment.number", name="Paid")])
    assert ["Paid", "PaidBank", "PaidCard"] == sorted(found)
    assert {"kind", "number"} == found["PaidCard"]["properties"].keys()
    assert {"kind"} == found["PaidBank"]["properties"].keys()
    assert {Card.__name__, Bank.__name__} == {"Card", "Bank"}
    assert {View.__name__} == {"View"}
