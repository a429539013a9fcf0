"""Writes the Strimzi resources that follow from `shared/contracts/topics.py`.

    python -m deploy.k8s.generate            write components/strimzi/topics.yaml and strimzi-users/users.yaml
    python -m deploy.k8s.generate --check    compare only; exit code 1 if a file is out of date
    python -m deploy.k8s.generate --json     topics and ACLs as JSON, for other tools (Terraform, kafka-acls)

Each service may write what it produces and its dead-letter topic, read what it consumes, and read in its own group.
The operator's user redrives dead letters, and moves the groups after a restore. No cluster permission is needed, not
even for idempotent producers.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.k8s.dashboards import DASHBOARDS, as_json
from shared.contracts.topics import (
    DEAD_LETTER_CONFIG,
    PARTITIONS,
    TOPICS,
    Service,
    consumed_by,
    dead_letter_topic,
    produced_by,
)

COMPONENTS: Final = Path(__file__).parent / "components"
COMPOSE: Final = Path(__file__).parents[1] / "compose"
SINGLE_NODE: Final = Path(__file__).parent / "overlays" / "single-node"
API: Final = "kafka.strimzi.io/v1"
CLUSTER: Final = "retake"
OPERATOR: Final = "retake-operator"
REPLICAS: Final = 3
IN_SYNC: Final = 2
_HEADER: Final = "# Generated from shared/contracts/topics.py by `make contracts`; do not edit.\n"
_RULES_HEADER: Final = (
    "# Generated from deploy/k8s/components/monitoring/rules.yaml by `make contracts`; do not edit.\n"
)
_DATABASES_HEADER: Final = "# Generated from deploy/compose/databases.sh by `make contracts`; do not edit.\n"


@dataclass(frozen=True)
class Rule:
    """What a user may do with one topic or group."""

    kind: str
    name: str
    operations: tuple[str, ...]


def topics() -> dict[str, dict[str, str]]:
    """Configuration by topic, dead-letter topics included."""
    return {t.name: t.config for t in TOPICS.values()} | {dead_letter_topic(s): DEAD_LETTER_CONFIG for s in Service}


def users() -> dict[str, list[Rule]]:
    """Rules by user: one per service, and the operator's."""
    return {f"retake-{s}": _service_rules(s) for s in Service} | {OPERATOR: _operator_rules()}


def _service_rules(service: Service) -> list[Rule]:
    write = [Rule("topic", t.name, ("Write", "Describe")) for t in produced_by(service)]
    read = [Rule("topic", t.name, ("Read", "Describe")) for t in consumed_by(service)]
    dead_letters = Rule("topic", dead_letter_topic(service), ("Write", "Describe"))
    return [*write, *read, dead_letters, Rule("group", service.value, ("Read",))]


def _operator_rules() -> list[Rule]:
    rules = [Rule("topic", name, ("Read", "Write", "Describe")) for name in TOPICS]
    rules += [Rule("group", service.value, ("Read",)) for service in Service]
    for service in Service:
        letters = dead_letter_topic(service)
        rules += [Rule("topic", letters, ("Read", "Describe")), Rule("group", f"{letters}.settled", ("Read",))]
    return rules


def topic_resources() -> list[dict[str, Any]]:
    return [
        _resource(
            "KafkaTopic",
            name,
            {
                "partitions": PARTITIONS,
                "replicas": REPLICAS,
                "config": config | {"min.insync.replicas": str(IN_SYNC)},
            },
        )
        for name, config in topics().items()
    ]


def user_resources() -> list[dict[str, Any]]:
    return [
        _resource(
            "KafkaUser",
            name,
            {
                "authentication": {"type": "scram-sha-512"},
                "authorization": {"type": "simple", "acls": [_acl(rule) for rule in rules]},
            },
        )
        for name, rules in users().items()
    ]


def _resource(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"strimzi.io/cluster": CLUSTER}}
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec}


def _acl(rule: Rule) -> dict[str, Any]:
    resource = {"type": rule.kind, "name": rule.name, "patternType": "literal"}
    return {"resource": resource, "operations": list(rule.operations)}


def files() -> dict[Path, str]:
    """Each generated file with its content."""
    return {
        COMPONENTS / "strimzi" / "topics.yaml": _HEADER + _yaml(topic_resources()),
        COMPONENTS / "strimzi-users" / "users.yaml": _HEADER + _yaml(user_resources()),
        SINGLE_NODE / "databases.sh": _databases(),
        COMPOSE / "observability" / "rules.yaml": _RULES_HEADER + yaml.safe_dump(_rules(), sort_keys=False, width=120),
    } | {COMPONENTS / "monitoring" / "dashboards" / f"{name}.json": as_json(name) for name in DASHBOARDS}


def _rules() -> dict[str, Any]:
    """The alerts as Prometheus reads them without its operator."""
    found: dict[str, Any] = yaml.safe_load((COMPONENTS / "monitoring" / "rules.yaml").read_text())["spec"]
    return found


def _databases() -> str:
    """Kustomize takes no file from outside of an overlay's folder."""
    first, rest = (COMPOSE / "databases.sh").read_text().split("\n", 1)
    return f"{first}\n{_DATABASES_HEADER}{rest}"


def _yaml(resources: list[dict[str, Any]]) -> str:
    return yaml.safe_dump_all(resources, sort_keys=False, explicit_start=True, width=120)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Strimzi topics, users and ACLs from the contracts.")
    parser.add_argument("--check", action="store_true", help="compare only")
    parser.add_argument("--json", action="store_true", help="print topics and rules as JSON")
    parser.add_argument("--prefix", default="", help="with --json: KAFKA_PREFIX of the services")
    options = parser.parse_args(arguments)
    if options.json:
        rules = {
            user: [asdict(rule) | {"name": options.prefix + rule.name} for rule in of] for user, of in users().items()
        }
        named = {options.prefix + name: config for name, config in topics().items()}
        print(json.dumps({"partitions": PARTITIONS, "topics": named, "users": rules}, indent=2))
        return 0
    stale = [path for path, text in files().items() if not path.exists() or path.read_text() != text]
    if options.check:
        for path in stale:
            print(f"{path} is out of date: run `make contracts`", file=sys.stderr)
        return 1 if stale else 0
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
