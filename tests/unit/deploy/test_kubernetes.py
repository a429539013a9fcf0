"""deploy/k8s without a cluster: every overlay renders, and everything that a workload names exists or is documented."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
import yaml

from deploy.k8s import generate, owner_token
from deploy.k8s.dashboards import DASHBOARDS
from deploy.k8s.secrets import secrets as made_secrets
from docs.tools.settings_reference import settings_reference
from services.gateway.config import MIN_SECRET_BYTES
from shared.contracts.topics import PARTITIONS, TOPICS, Service, consumed_by, produced_by
from tests.support import kustomize, prometheus
from tests.support.components import COMPONENTS
from tests.support.kustomize import Resource

ROOT = Path(__file__).resolve().parents[3]
K8S = ROOT / "deploy" / "k8s"
FOLDERS = [K8S / "base", *sorted(p.parent for p in (K8S / "overlays").glob("*/kustomization.yaml"))]
OVERLAYS = FOLDERS[1:]
POD_KINDS = {"Deployment", "StatefulSet", "Job"}
SECRET_MAKERS = {"ExternalSecret", "SealedSecret"}


def name_of(folder: Path) -> str:
    return folder.name


@pytest.fixture(scope="module")
def binary() -> Path:
    with COMPONENTS.bring("kustomize"):
        found = kustomize.build()
        COMPONENTS.has("kustomize", f"kustomize {kustomize.VERSION}")
        return found


def named(resources: list[Resource], *kinds: str) -> set[str]:
    return {r["metadata"]["name"] for r in resources if r["kind"] in kinds}


def pods(resources: list[Resource]) -> Iterator[tuple[str, Resource]]:
    for resource in resources:
        if resource["kind"] in POD_KINDS:
            yield resource["metadata"]["name"], resource["spec"]["template"]


def containers(pod: Resource) -> list[Resource]:
    spec = pod["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def references(value: Any, key: str, name: str) -> Iterator[str]:
    """The names at `key: {name: ...}` anywhere in `value`."""
    if isinstance(value, dict):
        if isinstance(value.get(key), dict) and name in value[key]:
            yield value[key][name]
        for part in value.values():
            yield from references(part, key, name)
    elif isinstance(value, list):
        for part in value:
            yield from references(part, key, name)


def test_the_generated_files_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().err


def test_a_stale_file_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(generate, "PARTITIONS", PARTITIONS + 1)
    assert generate.main(["--check"]) == 1
    assert "topics.yaml is out of date" in capsys.readouterr().err


@pytest.mark.parametrize("service", Service)
def test_a_service_may_do_what_its_contracts_say_and_no_more(service: Service) -> None:
    rules = generate.users()[f"retake-{service}"]
    may = {(r.kind, r.name, o) for r in rules for o in r.operations}
    written = {t.name for t in produced_by(service)} | {f"{service}.dlq"}
    read = {t.name for t in consumed_by(service)}
    assert {n for k, n, o in may if (k, o) == ("topic", "Write")} == written
    assert {n for k, n, o in may if (k, o) == ("topic", "Read")} == read
    assert {n for k, n, o in may if (k, o) == ("group", "Read")} == {str(service)}
    assert all(kind in {"topic", "group"} for kind, _, _ in may)


def test_every_topic_has_its_resource() -> None:
    documents = list(yaml.safe_load_all((K8S / "components/strimzi/topics.yaml").read_text()))
    names = {d["metadata"]["name"] for d in documents}
    assert names == set(TOPICS) | {f"{s}.dlq" for s in Service}
    assert {d["spec"]["partitions"] for d in documents} == {PARTITIONS}


@pytest.mark.parametrize("file", sorted(K8S.rglob("*.yaml")), ids=lambda p: str(p.relative_to(K8S)))
def test_every_file_is_yaml_and_is_used(file: Path) -> None:
    assert all(isinstance(d, dict | list) for d in yaml.safe_load_all(file.read_text()))
    if file.name != "kustomization.yaml":
        users = [k.read_text() for k in K8S.rglob("kustomization.yaml") if k.parent in file.parents]
        assert any(file.name in text for text in users), "no kustomization names this file"


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_pods_meet_the_restricted_standard(binary: Path, folder: Path) -> None:
    for name, pod in pods(kustomize.render(binary, folder)):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in containers(pod):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert security["readOnlyRootFilesystem"] is True, name
            assert "memory" in container["resources"]["limits"], name
            assert "cpu" not in container["resources"]["limits"], name


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_selectors_find_their_pods_and_nothing_names_what_is_missing(binary: Path, folder: Path) -> None:
    resources = kustomize.render(binary, folder)
    templates = dict(pods(resources))
    for resource in resources:
        if resource["kind"] in {"Service", "PodDisruptionBudget"}:
            selector = resource["spec"].get("selector")
            if selector is None:
                continue  # a Service that is to have no pods
            wanted = selector.get("matchLabels", selector)
            found = [n for n, t in templates.items() if wanted.items() <= t["metadata"]["labels"].items()]
            assert found == [resource["metadata"]["name"]], resource["metadata"]
    for name, pod in templates.items():
        spec = pod["spec"]
        if "serviceAccountName" in spec:
            assert spec["serviceAccountName"] in named(resources, "ServiceAccount"), name
        volumes = {v["name"] for v in spec.get("volumes", [])} | {
            c["metadata"]["name"]
            for r in resources
            if r["kind"] == "StatefulSet" and r["metadata"]["name"] == name
            for c in r["spec"].get("volumeClaimTemplates", [])
        }
        for container in containers(pod):
            assert {m["name"] for m in container.get("volumeMounts", [])} <= volumes, name
            ports = {p["name"] for p in container.get("ports", [])}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                handler = container.get(probe, {}).get("httpGet")
                assert handler is None or handler["port"] in ports, (name, probe)


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_every_variable_of_a_service_is_a_setting(binary: Path, folder: Path) -> None:
    documented = set(re.findall(r"`((?:<SERVICE>|[A-Z]+)_[A-Z_0-9]+)`", settings_reference()))
    resources = kustomize.render(binary, folder)
    for service in Service:
        prefix = f"{service.upper()}_"
        template = dict(pods(resources))[service]
        given = {e["name"] for c in containers(template) for e in c.get("env", [])}
        for config in (r for r in resources if r["kind"] in {"ConfigMap", "Secret"}):
            if config["metadata"]["name"].startswith(service):
                given |= set(config.get("data", {})) | set(config.get("stringData", {}))
        own = {n for n in given if n.startswith(prefix)} - {f"{prefix}HOST", f"{prefix}PORT"}
        assert {n for n in own if n not in documented and n.replace(prefix, "<SERVICE>_", 1) not in documented} == set()


@pytest.mark.parametrize("folder", OVERLAYS, ids=name_of)
def test_an_overlay_has_every_image_configuration_and_secret_that_it_names(binary: Path, folder: Path) -> None:
    resources = kustomize.render(binary, folder)
    configured = named(resources, "ConfigMap")
    secrets = named(resources, "Secret")
    secrets |= {r["spec"]["target"]["name"] for r in resources if r["kind"] in SECRET_MAKERS}
    if folder.name == "single-node":  # its Secrets are random, made by a command
        secrets |= named(made_secrets("retake"), "Secret")
    assert set(references(resources, "passwordSecret", "name")) <= secrets
    for name, pod in pods(resources):
        assert set(references(pod, "configMapRef", "name")) <= configured, name
        assert set(references(pod, "configMap", "name")) <= configured, name
        assert set(references(pod, "configMapKeyRef", "name")) <= configured, name
        for kind, key in (("secretRef", "name"), ("secretKeyRef", "name"), ("secret", "secretName")):
            assert set(references(pod, kind, key)) <= secrets, name
        for container in containers(pod):
            assert re.search(r"[/:@]", container["image"]), f"{name}: {container['image']} has no tag or registry"
    assert all(r["metadata"].get("namespace") for r in resources if r["kind"] != "Namespace")


def registered_metrics() -> set[str]:
    """The names of the samples that the services' code exports."""
    names: set[str] = set()
    for file in [*(ROOT / "services").rglob("*.py"), *(ROOT / "shared").rglob("*.py")]:
        for kind, name in re.findall(r"\b(Counter|Gauge|Histogram)\(\s*\"(retake_[a-z_]+)\"", file.read_text()):
            names |= {f"{name}_{part}" for part in ("count", "sum", "bucket")} if kind == "Histogram" else {name}
    return names


def alerts() -> list[Resource]:
    (rule,) = yaml.safe_load_all((K8S / "components/monitoring/rules.yaml").read_text())
    return [alert for group in rule["spec"]["groups"] for alert in group["rules"]]


def test_alerts_ask_for_metrics_that_exist() -> None:
    asked = {name for alert in alerts() for name in re.findall(r"retake_[a-z_]+", alert["expr"])}
    assert asked
    assert asked <= registered_metrics()


def test_dashboards_ask_for_metrics_that_exist() -> None:
    pages = sorted((K8S / "components/monitoring/dashboards").glob("*.json"))
    assert len(pages) == 5
    for page in pages:
        targets = [target for panel in json.loads(page.read_text())["panels"] for target in panel["targets"]]
        asked = {name for target in targets for name in re.findall(r"retake_[a-z_]+", target["expr"])}
        assert asked
        assert asked - registered_metrics() == set(), page.name


def test_every_dashboard_reaches_grafana(binary: Path) -> None:
    (config,) = [
        r for r in kustomize.render(binary, K8S / "overlays/production") if r["metadata"]["name"] == "retake-dashboards"
    ]
    assert {f"{name}.json" for name in DASHBOARDS} == set(config["data"])
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_prometheus_evaluates_alerts_and_dashboards_as_intended(tmp_path: Path) -> None:
    with COMPONENTS.bring("promtool"):
        promtool = prometheus.promtool()
        COMPONENTS.has("promtool", f"promtool {prometheus.version(promtool)}")
    (rule,) = yaml.safe_load_all((K8S / "components/monitoring/rules.yaml").read_text())
    panels = [
        {"record": f"dashboard:{name.replace('-', '_')}:{n}", "expr": query.replace("$namespace", "retake")}
        for name, of in DASHBOARDS.items()
        for n, query in enumerate(query for panel in of for query in panel.queries.values())
    ]
    groups = [*rule["spec"]["groups"], {"name": "dashboards", "rules": panels}]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    cases = yaml.safe_load((Path(__file__).parent / "alerts.test.yaml").read_text())
    tested = {case["alertname"] for test in cases["tests"] for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert tested == {alert["alert"] for alert in alerts()}, "every alert is seen to fire"
    (tmp_path / "alerts.yaml").write_text(yaml.safe_dump(cases | {"rule_files": ["rules.yaml"]}))
    prometheus.run(promtool, "check", "rules", str(tmp_path / "rules.yaml"))
    prometheus.run(promtool, "test", "rules", str(tmp_path / "alerts.yaml"))


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    folder = ROOT / "docs/operations/runbooks"
    named_by = {alert["alert"]: ROOT / alert["annotations"]["runbook"] for alert in alerts()}
    assert {path for path in folder.glob("*.md") if path.name != "README.md"} == set(named_by.values())
    for name, path in named_by.items():
        text = path.read_text()
        assert text.startswith(f"# {name}\n")
        assert all(f"**{part}.**" in text for part in ("What users see", "What it means", "Look", "Mend", "Prevent"))


def test_keda_asks_for_kinds_of_jobs_that_exist() -> None:
    source = "\n".join(p.read_text() for s in ("generator", "compiler") for p in (ROOT / "services" / s).rglob("*.py"))
    for service in ("generator", "compiler"):
        (query,) = re.findall(r"select .* from jobs .*", (K8S / f"components/keda/{service}.yaml").read_text())
        kinds = set(re.findall(r"'([a-z]+)'", query))
        assert kinds
        assert {kind for kind in kinds if not re.search(rf'= "{kind}"', source)} == set()


def test_operators_and_probes_reach_the_port_that_the_gateway_keeps_for_them() -> None:
    base = Path(__file__).resolve().parents[3] / "deploy" / "k8s"
    deployment = yaml.safe_load((base / "base" / "gateway" / "deployment.yaml").read_text())
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    assert environment["GATEWAY_OPERATIONS_PORT"] == str(ports["operations"])
    assert container["readinessProbe"]["httpGet"]["port"] == "operations"
    monitors = list(yaml.safe_load_all((base / "components" / "monitoring" / "podmonitor.yaml").read_text()))
    scraped = {m["metadata"]["name"]: [e["port"] for e in m["spec"]["podMetricsEndpoints"]] for m in monitors}
    assert scraped == {"retake": ["http"], "retake-gateway": ["operations"]}
    policies = yaml.safe_load_all((base / "base" / "network-policies.yaml").read_text())
    [monitoring] = [p for p in policies if p["metadata"]["name"] == "from-monitoring"]
    assert {p["port"] for rule in monitoring["spec"]["ingress"] for p in rule["ports"]} == {"http", "operations"}
    [service] = yaml.safe_load_all((base / "base" / "gateway" / "service.yaml").read_text())
    assert [p["name"] for p in service["spec"]["ports"]] == ["http"]  # it is not published


def test_the_secrets_of_the_single_node_fit_each_other() -> None:
    made = {s["metadata"]["name"]: s["stringData"] for s in made_secrets("retake")}
    for service in Service:
        url = urlsplit(made[service][f"{service.upper()}_DATABASE_URL"])
        assert url.password == made["postgres"][f"{service.upper()}_PASSWORD"]
        assert url.path == f"/{url.username}" == f"/retake_{service}"
        assert made[service]["AWS_ACCESS_KEY_ID"] == made["s3"]["ROOT_ACCESS_KEY"]
        assert made[service]["AWS_SECRET_ACCESS_KEY"] == made["s3"]["ROOT_SECRET_KEY"]
    again = {s["metadata"]["name"]: s["stringData"] for s in made_secrets("retake")}
    assert again["gateway"]["GATEWAY_JWT_SECRET"] != made["gateway"]["GATEWAY_JWT_SECRET"]


def test_a_token_of_the_owner_is_made_with_the_first_secret_and_not_with_a_short_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a" * 40 + ",b" * 20))
    assert owner_token.main() == 0
    assert jwt.decode(capsys.readouterr().out.strip(), "a" * 40, algorithms=["HS256"], options={"verify_aud": False})
    monkeypatch.setattr("sys.stdin", io.StringIO("short"))
    assert owner_token.main() == 2
    assert "GATEWAY_JWT_SECRET" in capsys.readouterr().err
    assert owner_token.MIN_SECRET_BYTES == MIN_SECRET_BYTES
