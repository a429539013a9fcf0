"""Links of the OpenAPI document: which operations an answer leads to, and with which of its values."""

from __future__ import annotations

from typing import Any, Final

_PARAMETER: Final = {
    "Project": "project_id",
    "Episode": "episode_id",
    "Segment": "segment_id",
    "Asset": "asset_id",
    "Run": "run_id",
    "Version": "version_id",
    "Batch": "batch_id",
    "Compilation": "compilation_id",
    "Import": "import_id",
    "Note": "note_id",
    "PartialUpload": "partial_id",
}
"""A resource, and the path parameter that takes its `id`."""

_FROM: Final[dict[str, tuple[str, str]]] = {
    "Started": ("batch_id", "job_id"),
    "CompilationStarted": ("compilation_id", "compilation_job_id"),
    "Review": ("run_id", "run_id"),
    "Member": ("user_id", "user_id"),
}
"""Answers that name a resource by another field."""

_WITHIN: Final = {"Run": ("version_id", "versions/0/id")}
"""Answers that hold another resource beside their own."""

_PLACES: Final = ("project_id", "episode_id", "asset_id", "run_id")


def add_links(spec: dict[str, Any]) -> None:
    """Every success whose body has an id gets links to the operations on what it names."""
    leading = _by_parameters(spec)
    schemas = spec["components"]["schemas"]
    links = spec["components"].setdefault("links", {})
    for path, item in spec["paths"].items():
        known = _in_path(path)
        for operation in item.values():
            for status, response in operation["responses"].items():
                name = _body(response) if status.startswith("2") else ""
                source = _FROM.get(name) or ((_PARAMETER[name], "id") if name in _PARAMETER else None)
                if source is None:
                    continue
                values = {source[0]: f"$response.body#/{source[1]}"}
                if source[0] == "user_id":
                    values["project_id"] = "$request.path.project_id"
                found = _links(name, values, leading, own=operation["operationId"])
                found |= _upwards(name, schemas, leading, known)
                if name in _WITHIN:
                    parameter, place = _WITHIN[name]
                    found |= _links(name, {parameter: f"$response.body#/{place}"}, leading, own="")
                links |= found
                response["links"] = {key.partition(".")[2]: {"$ref": f"#/components/links/{key}"} for key in found}


def _by_parameters(spec: dict[str, Any]) -> dict[frozenset[str], list[str]]:
    """The operations that take exactly these parameters in their path."""
    found: dict[frozenset[str], list[str]] = {}
    for path, item in spec["paths"].items():
        for method, operation in item.items():
            if method == "delete" and not path.endswith("/draft"):
                continue  # nobody deletes what they have just made
            found.setdefault(frozenset(_in_path(path)), []).append(operation["operationId"])
    return found


def _in_path(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def _body(response: dict[str, Any]) -> str:
    """The name of the schema that it answers with."""
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _links(name: str, values: dict[str, str], leading: dict[frozenset[str], list[str]], own: str) -> dict[str, Any]:
    return {
        f"{name}.{operation}": {"operationId": operation, "parameters": values}
        for operation in leading.get(frozenset(values), [])
        if operation != own
    }


def _upwards(
    name: str, schemas: dict[str, Any], leading: dict[frozenset[str], list[str]], known: list[str]
) -> dict[str, Any]:
    """To the first operation (the GET) on each place that the resource lies in."""
    fields = schemas[name].get("properties", {})
    return {
        f"{name}.{leading[frozenset([place])][0]}": {
            "operationId": leading[frozenset([place])][0],
            "parameters": {place: f"$response.body#/{place}"},
        }
        for place in _PLACES
        if place in fields and place not in known and name != "Member"
    }
