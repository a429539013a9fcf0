"""Prints the Secrets of the overlay `single-node`, with random values, for `kubectl create`:

    python3 -m deploy.k8s.secrets | kubectl create -f -

`create` refuses Secrets that exist, so a second run changes nothing: the passwords of a database that is there, and the
keys of links and tokens that are out, stay as they are. Needs only the standard library.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, Final

from deploy.compose.env import VARIABLES

SERVICES: Final = ("gateway", "generator", "review", "compiler")
S3_USER: Final = "retake"


def secrets(namespace: str) -> list[dict[str, Any]]:
    """One Secret per service, and those of PostgreSQL, Kafka and the object store."""
    made = {name: make() for name, make in VARIABLES.items()}
    databases = {f"{service.upper()}_PASSWORD": made[f"{service.upper()}_PASSWORD"] for service in SERVICES}
    contents = {service: _of_service(service, made) for service in SERVICES}
    contents["gateway"] |= {name: made[name] for name in ("GATEWAY_JWT_SECRET", "GATEWAY_MEDIA_SECRET")}
    contents["postgres"] = databases | {"POSTGRES_PASSWORD": made["POSTGRES_PASSWORD"]}
    contents["kafka"] = {"CLUSTER_ID": made["KAFKA_CLUSTER_ID"]}
    contents["s3"] = {"ROOT_ACCESS_KEY": S3_USER, "ROOT_SECRET_KEY": made["S3_SECRET"]}
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace},
            "stringData": values,
        }
        for name, values in contents.items()
    ]


def _of_service(service: str, made: dict[str, str]) -> dict[str, str]:
    prefix = service.upper()
    url = f"postgresql://retake_{service}:{made[f'{prefix}_PASSWORD']}@postgres/retake_{service}?sslmode=disable"
    return {
        f"{prefix}_DATABASE_URL": url,
        "AWS_ACCESS_KEY_ID": S3_USER,
        "AWS_SECRET_ACCESS_KEY": made["S3_SECRET"],
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Random Secrets for the overlay single-node, as JSON.")
    parser.add_argument("--namespace", default="retake")
    options = parser.parse_args(arguments)
    json.dump({"apiVersion": "v1", "kind": "List", "items": secrets(options.namespace)}, sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
