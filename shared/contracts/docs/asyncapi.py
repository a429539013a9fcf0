"""The AsyncAPI 3 document of all topics, generated from topics.py and the models."""

from __future__ import annotations

import json
from typing import Any, Final

from shared.contracts.docs.samples import SAMPLES, sample_envelope
from shared.contracts.topics import PARTITIONS, TOPICS, Service, Topic

_HEADERS: Final[dict[str, Any]] = {
    "type": "object",
    "description": "CloudEvents 1.0 in Kafka binary content mode.",
    "required": [
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_time",
        "ce_subject",
        "ce_projectid",
        "ce_ownerid",
        "content-type",
    ],
    "properties": {
        "ce_specversion": {"type": "string", "const": "1.0", "description": "Version of CloudEvents."},
        "ce_id": {
            "type": "string",
            "format": "uuid",
            "description": "The same on every redelivery; apply each id once.",
        },
        "ce_source": {"type": "string", "description": "`/retake/<service>`"},
        "ce_type": {"type": "string", "description": "`retake.<topic>.v1`"},
        "ce_time": {"type": "string", "format": "date-time", "description": "When the event occurred."},
        "ce_subject": {"type": "string", "description": "Id of the run, compilation, import or episode."},
        "ce_projectid": {"type": "string", "description": "Project of the subject."},
        "ce_ownerid": {"type": "string", "description": "Owner of that project."},
        "ce_correlationid": {"type": "string", "description": "Id of the command that started it all."},
        "ce_causationid": {"type": "string", "description": "Id of the event that led to this one."},
        "content-type": {"type": "string", "const": "application/json", "description": "Of the record's body."},
        "traceparent": {"type": "string", "description": "W3C Trace Context."},
    },
}


def schema_of(topic: Topic) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a record's body, as its producer writes it."""
    schema = topic.event.model_json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://retake.invalid/schemas/{topic.name}.v1.json",
        **schema,
    }


def document(version: str) -> dict[str, Any]:
    """The whole document; `version` is the release."""
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Retake events",
            "version": version,
            "description": (
                "The four services of Retake communicate only through these topics. Delivery is at least once, and in "
                "order per key and topic; there is no order across topics. The public loop is regenerate-requested, "
                "preview-ready, accepted, rejected and complete."
            ),
            "contact": {
                "name": "The operators of this installation",
                "url": "https://retake.invalid/",
                "email": "operators@retake.invalid",
            },
            "license": {"name": "Apache-2.0"},
            "tags": [{"name": service.value} for service in Service],
        },
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "The Kafka cluster of this installation.",
                "variables": {"bootstrap": {"default": "localhost:9092", "description": "host:port of a broker."}},
            }
        },
        "defaultContentType": "application/json",
        "channels": {t.name: _channel(t) for t in TOPICS.values()},
        "operations": _operations(),
        "components": {
            "messages": {t.name: _message(t) for t in TOPICS.values()},
            "messageTraits": {"cloudEvent": {"headers": _HEADERS}},
            "schemas": _schemas(),
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "title": _title(topic),
        "description": topic.summary + (". Public: other services may consume it." if topic.public else "."),
        "messages": {topic.event.__name__: {"$ref": f"#/components/messages/{topic.name}"}},
        "bindings": {
            "kafka": {
                "partitions": PARTITIONS,
                "topicConfiguration": {
                    "cleanup.policy": ["compact"] if topic.compact else ["delete"],
                    **({} if topic.compact else {"retention.ms": topic.retention_ms}),
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _title(topic: Topic) -> str:
    """`Preview ready` of preview-ready."""
    return topic.name.replace("-", " ").capitalize()


def _operations() -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for topic in TOPICS.values():
        operations[f"{topic.producer}.publishes.{topic.name}"] = _operation("send", topic, topic.producer)
        for consumer in topic.consumers:
            operations[f"{consumer}.consumes.{topic.name}"] = _operation("receive", topic, consumer)
    return operations


def _operation(action: str, topic: Topic, service: Service) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "action": action,
        "description": _purpose(action, topic, service),
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/{topic.event.__name__}"}],
        "tags": [{"name": service.value}],
    }
    if action == "receive":
        operation["bindings"] = {
            "kafka": {"groupId": {"type": "string", "enum": [service.value]}, "bindingVersion": "0.5.0"}
        }
    return operation


def _purpose(action: str, topic: Topic, service: Service) -> str:
    if action == "send":
        return f"The {service.value} service publishes {topic.name}: {topic.summary}."
    return f"The {service.value} service consumes {topic.name}, as the consumer group {service.value}."


def _message(topic: Topic) -> dict[str, Any]:
    event = SAMPLES[topic.name]
    headers = {name: value.decode() for name, value in sample_envelope(event).headers()}
    return {
        "name": topic.event.__name__,
        "title": _title(topic),
        "summary": f"{topic.summary}.",
        "contentType": "application/json",
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {"$ref": f"#/components/schemas/{topic.event.__name__}"},
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": "0.5.0"}},
        "examples": [{"name": topic.name, "headers": headers, "payload": json.loads(event.model_dump_json())}],
    }


def _schemas() -> dict[str, Any]:
    schemas: dict[str, Any] = {}
    for topic in TOPICS.values():
        schema = topic.event.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[topic.event.__name__] = schema
    return dict(sorted(schemas.items()))
