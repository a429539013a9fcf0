"""The reference of the topics as Markdown, made from the same models as the AsyncAPI document."""

from __future__ import annotations

import json
from typing import Any, Final

from shared.contracts.docs.asyncapi import schema_of
from shared.contracts.docs.samples import SAMPLES
from shared.contracts.topics import DAY_MS, MAX_RECORD_BYTES, PARTITIONS, TOPICS, Topic

_HEAD: Final = f"""# Events

Made by `make contracts` from the models in `shared/contracts`; do not edit. The same as a machine reads it:
[asyncapi.json](asyncapi.json), JSON Schemas in `shared/contracts/schemas/`. How to consume them:
[the guide for services](../guide/services.md).

Every topic has {PARTITIONS} partitions; the key is the asset's id, or the episode's where an event is about one; order
holds within a key and a topic, never across topics. Records are CloudEvents 1.0 in Kafka's binary mode: attributes in
headers `ce_id`, `ce_type`, `ce_source`, `ce_time`, `ce_subject`, ..., the body is JSON of at most {MAX_RECORD_BYTES}
bytes. An event may come twice: remember `ce_id`. Fields are only ever added; ignore those that you do not know.

**Public** topics are the loop that other services may build on. The others serve it, and are documented for
operators; they keep to the same rules.
"""


def events_reference() -> str:
    """Topics in the order of their table, each with its fields and an example."""
    rows = ["| topic | tells | producer | consumers | kept |", "|---|---|---|---|---|", *map(_row, TOPICS.values())]
    return "\n".join([_HEAD, *rows, "", *map(_section, TOPICS.values())])


def _row(topic: Topic) -> str:
    name = f"[{topic.name}](#{topic.name})" + (" **public**" if topic.public else "")
    return f"| {name} | {topic.summary} | {topic.producer} | {', '.join(topic.consumers)} | {_kept(topic)} |"


def _kept(topic: Topic) -> str:
    days = topic.retention_ms // DAY_MS
    length = f"{days} day{'s' if days != 1 else ''}"
    return f"the newest per key, all of {length}" if topic.compact else length


def _section(topic: Topic) -> str:
    schema = schema_of(topic)
    example = json.dumps(json.loads(SAMPLES[topic.name].model_dump_json()), indent=1, ensure_ascii=False)
    required = set(schema.get("required", []))
    fields = [_field(name, spec, name in required) for name, spec in schema.get("properties", {}).items()]
    return "\n".join([
        f"## {topic.name}", "", f"{topic.summary}. From {topic.producer}, for {', '.join(topic.consumers)}.", "",
        "| field | type | |", "|---|---|---|", *fields, "", *_parts(schema), f"```json\n{example}\n```", "",
    ])  # fmt: skip


def _parts(schema: dict[str, Any]) -> list[str]:
    """What the named types are: their values, or their fields."""
    lines = []
    for name, spec in sorted(schema.get("$defs", {}).items()):
        if "enum" in spec:
            lines.append(f"- *{name}*: {', '.join(f'`{v}`' for v in spec['enum'])}")
        elif spec.get("properties"):
            fields = (f"`{field}` {_type(of)}" for field, of in spec["properties"].items())
            lines.append(f"- *{name}*: {', '.join(fields)}")
    return [*lines, ""] if lines else []


def _field(name: str, spec: dict[str, Any], required: bool) -> str:
    told = _cell(str(spec.get("description") or "").replace("\n", " "))
    return f"| `{name}`{'' if required else ' (optional)'} | {_cell(_type(spec))} | {told} |"


def _type(spec: dict[str, Any]) -> str:
    if "$ref" in spec:
        return str(spec["$ref"]).rpartition("/")[2]
    for union in ("anyOf", "oneOf"):
        if union in spec:
            return " or ".join(dict.fromkeys(_type(one) for one in spec[union]))
    if "allOf" in spec:
        return " and ".join(_type(one) for one in spec["allOf"])
    if "const" in spec:
        return json.dumps(spec["const"])
    if "enum" in spec:
        return ", ".join(str(v) for v in spec["enum"])
    if spec.get("type") == "array":
        return f"list of {_type(spec.get('items', {}))}"
    return str(spec.get("format") or spec.get("type") or "any")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
