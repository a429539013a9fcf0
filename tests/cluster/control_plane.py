"""etcd and the API server, with their keys."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import yaml

from tests.cluster import binaries
from tests.cluster.namespaces import ADDRESS, SERVICES, Cluster, need, run, until

PORT: Final = 6443
NODE: Final = "node1"
PROGRAMS: Final = ("etcd", "openssl")
_ETCD: Final = "http://127.0.0.1:2379"


def start_api_server(cluster: Cluster) -> None:
    """etcd and the API server; returns when it is ready. Raises Failed, Missing."""
    need(*PROGRAMS)
    server = binaries.kubernetes("kube-apiserver")
    _keys(cluster.folder)
    cluster.spawn(
        *(
            "etcd",
            "etcd",
            "--data-dir",
            f"{cluster.folder}/etcd",
            "--listen-client-urls",
            _ETCD,
            "--advertise-client-urls",
            _ETCD,
        ),
        *("--listen-peer-urls", "http://127.0.0.1:2380"),
    )
    pki = cluster.folder / "pki"
    options = {
        "etcd-servers": _ETCD,
        "secure-port": PORT,
        "bind-address": "0.0.0.0",
        "advertise-address": ADDRESS,
        "tls-cert-file": pki / "apiserver.crt",
        "tls-private-key-file": pki / "apiserver.key",
        "client-ca-file": pki / "ca.crt",
        "service-account-key-file": pki / "sa.key",
        "service-account-signing-key-file": pki / "sa.key",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-cluster-ip-range": SERVICES,
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "kubelet-client-certificate": pki / "apiserver-kubelet.crt",
        "kubelet-client-key": pki / "apiserver-kubelet.key",
        "kubelet-preferred-address-types": "InternalIP",
        "event-ttl": "30m",
    }
    cluster.spawn("apiserver", str(server), *(f"--{name}={value}" for name, value in options.items()))
    until(lambda: cluster.kubectl("get", "--raw=/readyz") == "ok", 120, lambda: cluster.log("apiserver"))


def _keys(folder: Path) -> None:
    pki = folder / "pki"
    pki.mkdir()

    def openssl(*arguments: str, given: str | None = None) -> None:
        run(["openssl", *arguments], given, 60)

    new = ("-newkey", "rsa:2048", "-nodes", "-days", "2")
    openssl("req", "-x509", *new, "-keyout", f"{pki}/ca.key", "-out", f"{pki}/ca.crt", "-subj", "/CN=retake-test")
    openssl("genrsa", "-out", f"{pki}/sa.key", "2048")
    names = "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:10.96.0.1"
    subjects = {
        "apiserver": "/CN=kube-apiserver",
        "admin": "/O=system:masters/CN=admin",
        "controllers": "/CN=system:kube-controller-manager",
        "scheduler": "/CN=system:kube-scheduler",
        "kubelet": f"/O=system:nodes/CN=system:node:{NODE}",
        "apiserver-kubelet": "/O=system:masters/CN=apiserver-kubelet",
    }
    for name, subject in subjects.items():
        request = (f"{pki}/{name}.key", f"{pki}/{name}.csr")
        openssl("req", *new[:3], "-keyout", request[0], "-out", request[1], "-subj", subject)
        extensions = pki / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names},IP:{ADDRESS}\n" if name == "apiserver" else "")
        openssl(
            *("x509", "-req", "-in", request[1], "-CA", f"{pki}/ca.crt", "-CAkey", f"{pki}/ca.key", "-CAcreateserial"),
            *("-days", "2", "-out", f"{pki}/{name}.crt", "-extfile", str(extensions)),
        )
    for user in ("admin", "controllers", "scheduler", "kubelet"):
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "c",
                    "cluster": {"server": f"https://{ADDRESS}:{PORT}", "certificate-authority": f"{pki}/ca.crt"},
                }
            ],
            "users": [
                {
                    "name": "u",
                    "user": {"client-certificate": f"{pki}/{user}.crt", "client-key": f"{pki}/{user}.key"},
                }
            ],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        (folder / f"{user}.conf").write_text(yaml.safe_dump(config))
