"""What makes pods run on the one node: controllers, scheduler, containerd, kubelet, kube-proxy, DNS."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import yaml

from tests.cluster import binaries
from tests.cluster.control_plane import NODE
from tests.cluster.namespaces import ADDRESS, Cluster, Failed, need, run, until
from tests.support.cache import cache_dir

PODS: Final = "10.244.0.0/24"
CNI: Final = "/usr/lib/cni"
PROGRAMS: Final = ("containerd", "ctr", "runc", "iptables", "conntrack", f"{CNI}/ptp", f"{CNI}/portmap")
# Asks one server (argument 1) for the IPv4 address of a name (argument 2); prints it, or nothing.
_RESOLVE: Final = """
import socket, struct, sys
labels = b"".join(bytes([len(part)]) + part.encode() for part in sys.argv[2].split("."))
asked = struct.pack(">6H", 1, 0x100, 1, 0, 0, 0) + labels + b"\\0" + struct.pack(">2H", 1, 1)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(5)
    s.sendto(asked, (sys.argv[1], 53))
    answer = s.recv(4096)
if struct.unpack(">H", answer[6:8])[0]:
    print(socket.inet_ntoa(answer[-4:]))  # the only record ends with it
"""
# Argument 1 is a configuration of containerd, argument 2 its socket.
_FORGET: Final = """
containerd --config "$1" > /dev/null 2>&1 & own=$!
until ctr --address "$2" version > /dev/null 2>&1; do kill -0 $own; sleep 0.1; done
for name in $(ctr --address "$2" --namespace k8s.io containers list --quiet); do
    ctr --address "$2" --namespace k8s.io containers delete "$name"
done
kill $own
wait $own || true
"""


def import_images(cluster: Cluster, layout: Path, names: dict[str, list[str]]) -> None:
    """All images of an OCI layout, under the names that they have there, and those of `names` (by the name that they
    have there) also under others. What containerd has of an earlier cluster is not read again. Raises Failed."""
    there = _store() / "io.containerd.content.v1.content" / "blobs" / "sha256"
    known = [
        f"--exclude=./blobs/sha256/{blob.name}"
        for blob in (layout / "blobs" / "sha256").iterdir()
        if (there / blob.name).exists()
    ]
    tar = cluster.folder / "images.tar"
    run(["tar", "--create", f"--file={tar}", *known, f"--directory={layout}", "."], timeout_s=300)
    _images(cluster, "import", str(tar))
    tar.unlink()
    for name, others in names.items():
        for other in others:
            _images(cluster, "tag", "--force", name, other)


def containerd(cluster: Cluster) -> str:
    """Its socket."""
    return f"{cluster.folder}/containerd.sock"


def _store() -> Path:
    """Images as containerd keeps them, for one cluster after the other."""
    found = cache_dir() / "cluster" / "containerd"
    found.mkdir(parents=True, exist_ok=True)
    return found


def _images(cluster: Cluster, *arguments: str) -> str:
    return _ctr(cluster, "images", *arguments)


def _ctr(cluster: Cluster, *arguments: str) -> str:
    return cluster.inside("ctr", "--address", containerd(cluster), "--namespace", "k8s.io", *arguments, timeout_s=600)


def start_node(cluster: Cluster) -> None:
    """What makes pods run: controllers, scheduler, containerd, kubelet, kube-proxy, DNS. Raises Failed, Missing."""
    need(*PROGRAMS)
    folder, pki = cluster.folder, cluster.folder / "pki"
    cluster.spawn(
        *(
            "controllers",
            str(binaries.kubernetes("kube-controller-manager")),
            f"--kubeconfig={folder}/controllers.conf",
        ),
        *(f"--service-account-private-key-file={pki}/sa.key", f"--root-ca-file={pki}/ca.crt"),
        *("--use-service-account-credentials", "--leader-elect=false", "--bind-address=127.0.0.1"),
        # How soon a node that says nothing is given up: as most clusters have it.
        *("--node-monitor-grace-period=40s",),
    )
    cluster.spawn(
        *("scheduler", str(binaries.kubernetes("kube-scheduler")), f"--kubeconfig={folder}/scheduler.conf"),
        *("--leader-elect=false", "--bind-address=127.0.0.1"),
    )
    _containerd(cluster)
    (folder / "resolv.conf").write_text(f"nameserver {ADDRESS}\n")
    (folder / "Corefile").write_text(
        f".:53 {{\n  errors\n  cache 5\n"
        f"  kubernetes cluster.local in-addr.arpa ip6.arpa {{\n    kubeconfig {folder}/admin.conf\n  }}\n}}\n"
    )
    cluster.spawn("coredns", str(binaries.coredns()), "-conf", str(folder / "Corefile"))
    _kubelet(cluster)
    proxy = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": f"{folder}/admin.conf"},
        "mode": "iptables",
        "clusterCIDR": PODS,
        "hostnameOverride": NODE,
        "conntrack": {"maxPerCore": 0},
        "bindAddress": ADDRESS,
        "metricsBindAddress": "127.0.0.1:10249",
    }
    (folder / "proxy.yaml").write_text(yaml.safe_dump(proxy))
    cluster.spawn("proxy", str(binaries.kubernetes("kube-proxy")), f"--config={folder}/proxy.yaml")
    cluster.kubectl("wait", "--for=create", f"node/{NODE}", "--timeout=90s")
    cluster.kubectl("wait", "--for=condition=Ready", f"node/{NODE}", "--timeout=90s")


def runs_a_pod(cluster: Cluster) -> str:
    """A pod of the restricted standard from the image `pause`, found by the cluster's DNS under its Service's name;
    returns its address. Raises Failed."""
    security = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    container = {"name": "pod", "image": "localhost/retake-test/pause:test", "securityContext": security}
    spec = {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65535, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    of_all = {"namespace": "test"}
    resources = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "test", "labels": labels}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": of_all | {"name": "default"}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": of_all | {"name": "pod"},
            "spec": {"clusterIP": "None", "selector": {"app": "pod"}, "ports": [{"port": 80}]},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": of_all | {"name": "pod", "labels": {"app": "pod"}},
            "spec": spec,
        },
    ]
    cluster.kubectl("apply", "--server-side", "--filename=-", given=yaml.safe_dump_all(resources))
    try:
        cluster.kubectl("wait", "pod/pod", "--namespace=test", "--for=condition=Ready", "--timeout=90s")
    except Failed as e:
        raise Failed(f"{e}\n{cluster.kubectl('describe', 'pod/pod', '--namespace=test')[-800:]}") from e
    cluster.kubectl("wait", "pod/pod", "--namespace=test", "--for=jsonpath={.status.podIP}", "--timeout=30s")
    address = str(cluster.get("pod/pod", "--namespace=test")["status"]["podIP"])
    asked = (sys.executable, "-c", _RESOLVE, ADDRESS, "pod.test.svc.cluster.local")
    until(lambda: cluster.run(*asked).strip() == address, 30, lambda: cluster.log("coredns"))
    return address


def _containerd(cluster: Cluster) -> None:
    folder = cluster.folder
    (folder / "cni").mkdir()
    # Each pod has a link and a route of its own, so that the firewall sees what pods say to each other.
    network = {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "ptp",
                "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]], "dataDir": f"{folder}/ipam"}
                | {"routes": [{"dst": "0.0.0.0/0"}]},
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
    (folder / "cni" / "10-pods.conflist").write_text(json.dumps(network))
    config = f"""
version = 2
root = "{_store()}"
state = "{folder}/containerd-state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt",
  "io.containerd.tracing.processor.v1.otlp"]
[grpc]
address = "{containerd(cluster)}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/retake-test/pause:test"
restrict_oom_score_adj = true
disable_apparmor = true
disable_hugetlb_controller = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI}"
conf_dir = "{folder}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""
    _forget_containers(cluster, config)
    (folder / "containerd.toml").write_text(config)
    cluster.spawn("containerd", "containerd", "--config", str(folder / "containerd.toml"))
    until(
        lambda: "Server" in cluster.inside("ctr", "--address", containerd(cluster), "version"),
        60,
        lambda: cluster.log("containerd"),
    )


def _forget_containers(cluster: Cluster, config: str) -> None:
    """Deletes those of the cluster before, whose processes are gone, from the images' store. The part that would take
    them for pods of this node is off meanwhile. Raises Failed."""
    path = cluster.folder / "containerd-bare.toml"
    path.write_text(config.replace("disabled_plugins = [", 'disabled_plugins = ["io.containerd.grpc.v1.cri", ', 1))
    cluster.inside("sh", "-ec", _FORGET, "sh", str(path), containerd(cluster))


def _kubelet(cluster: Cluster) -> None:
    folder = cluster.folder
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{folder}/pki/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "failSwapOn": False,
        "failCgroupV1": False,
        "enforceNodeAllocatable": [],
        "containerRuntimeEndpoint": f"unix://{containerd(cluster)}",
        "imageServiceEndpoint": f"unix://{containerd(cluster)}",
        "resolvConf": f"{folder}/resolv.conf",
        "clusterDNS": [ADDRESS],
        "clusterDomain": "cluster.local",
        "podLogsDir": f"{folder}/pods",
        "volumePluginDir": f"{folder}/plugins",
        "imageMinimumGCAge": "24h",
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "registerNode": True,
    }
    for name in ("pods", "plugins"):
        (folder / name).mkdir()
    (folder / "kubelet.yaml").write_text(yaml.safe_dump(config))
    cluster.spawn(
        *("kubelet", str(binaries.kubernetes("kubelet")), f"--config={folder}/kubelet.yaml"),
        *(f"--kubeconfig={folder}/kubelet.conf", f"--hostname-override={NODE}", f"--node-ip={ADDRESS}"),
        *(f"--root-dir={folder}/kubelet", f"--cert-dir={folder}/kubelet-pki", "--v=1"),
    )
