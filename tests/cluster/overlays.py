"""Every overlay put to a real API server, with the definitions of the operators' resources: nothing is stored."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import yaml

from tests.cluster import binaries
from tests.cluster.namespaces import Cluster, Failed
from tests.support import kustomize

ROOT: Final = Path(__file__).resolve().parents[2]
OVERLAYS: Final = sorted(p.parent for p in (ROOT / "deploy" / "k8s" / "overlays").glob("*/kustomization.yaml"))
# Module, version, folder.
DEFINITIONS: Final = (
    ("github.com/cloudnative-pg/cloudnative-pg", "v1.28.0", "config/crd/bases"),
    ("github.com/cloudnative-pg/plugin-barman-cloud", "v0.15.0", "config/crd/bases"),
    ("github.com/kedacore/keda/v2", "v2.21.0", "config/crd/bases"),
    ("sigs.k8s.io/gateway-api", "v1.6.3", "config/crd/standard"),
    ("github.com/external-secrets/external-secrets", "v1.3.2", "config/crds/bases"),
    ("github.com/prometheus-operator/prometheus-operator", "v0.85.0", "example/prometheus-operator-crd"),
)
STRIMZI: Final = "kafka.strimzi.io/v1"  # has its definitions in no registry of packages
_POD_KINDS: Final = {"Deployment", "StatefulSet"}


def define(cluster: Cluster) -> int:
    """Gives the API server the operators' resources; returns how many kinds. Raises Failed, Missing."""
    groups = {r["apiVersion"].partition("/")[0] for overlay in OVERLAYS for r in rendered(overlay)}
    found: list[str] = []
    for path, version, folder in DEFINITIONS:
        for file in sorted((binaries.module(path, version) / folder).glob("*.y*ml")):
            # As text: some have scalars that a YAML 1.1 reader takes for something else.
            named = re.search(r"^  group: (\S+)$", text := file.read_text(), re.MULTILINE)
            if named and named[1] in groups:
                found.append(text)
    cluster.kubectl("apply", "--server-side", "--filename=-", given="\n---\n".join(found))
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
    return len(found)


def rendered(overlay: Path) -> list[dict[str, Any]]:
    """Raises Missing without kustomize."""
    return kustomize.render(kustomize.build(), overlay)


def accepted(cluster: Cluster, overlay: Path) -> tuple[int, int]:
    """How many resources and pods of an overlay the API server takes, by strict validation and in a namespace that
    enforces the restricted standard. Raises Failed with what it refuses."""
    resources = [r for r in rendered(overlay) if r["apiVersion"] != STRIMZI]
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "retake", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    # Without controllers nobody makes the account that pods without one have.
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "retake"}}
    cluster.kubectl("apply", "--server-side", "--filename=-", given=yaml.safe_dump_all([namespace, account]))
    others = [r for r in resources if r["kind"] != "Namespace"]
    put = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename=-")
    said = cluster.kubectl(*put, given=yaml.safe_dump_all(others))
    if (count := said.count("serverside-applied")) != len(others):
        raise Failed(f"{overlay.name}: {count} of {len(others)} resources were applied\n{said}")
    pods = [_pod(r) for r in others if r["kind"] in _POD_KINDS]
    # Pod Security warns of what makes pods and refuses pods.
    cluster.kubectl("create", "--dry-run=server", "--validate=strict", "--filename=-", given=yaml.safe_dump_all(pods))
    return len(others), len(pods)


def refused(cluster: Cluster, overlay: Path) -> str:
    """The same check with a pod that breaks the standard, so that a check that takes anything is noticed. Returns what
    the API server has against it."""
    pod = next(_pod(r) for r in rendered(overlay) if r["kind"] in _POD_KINDS)
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    try:
        cluster.kubectl("create", "--dry-run=server", "--filename=-", given=yaml.safe_dump(pod))
    except Failed as e:
        if reason := re.search(r"violates PodSecurity .*", str(e)):
            return str(reason[0])
        raise
    raise Failed("the API server took a pod that may gain privileges: it does not enforce the restricted standard")


def _pod(resource: dict[str, Any]) -> dict[str, Any]:
    template = resource["spec"]["template"]
    spec = {k: v for k, v in template["spec"].items() if k != "serviceAccountName"}
    # A pod's spread names its set's hash, which only the set's controller knows, and its claims are made for it.
    spec.pop("topologySpreadConstraints", None)
    metadata = {"name": resource["metadata"]["name"], "namespace": "retake", "labels": template["metadata"]["labels"]}
    claimed = [
        {"name": c["metadata"]["name"], "persistentVolumeClaim": {"claimName": c["metadata"]["name"]}}
        for c in resource["spec"].get("volumeClaimTemplates", [])
    ]
    spec["volumes"] = [*spec.get("volumes", []), *claimed]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
