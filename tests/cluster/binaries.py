"""The binaries of a Kubernetes cluster, built by Go once for each machine into ~/.cache/retake/cluster.

    python -m tests.cluster.binaries    build what is missing

Nothing is downloaded but Go modules. All eight take about fifteen minutes on one core.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from tests.support.cache import built_with_go, cache_dir, exclusive, run_quietly
from tests.support.components import Missing

KUBERNETES: Final = "1.34.4"
COREDNS: Final = "v1.14.7"
KUBE_ROUTER: Final = "v2.1.0"
VERSITYGW: Final = "v1.8.0"
COMMANDS: Final = (
    "kube-apiserver",
    "kubectl",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
)
# One build has both cores for some minutes; a loaded machine takes three times as long.
_BUILD_S: Final = 2400.0
_STAGING: Final = re.compile(r"^\s*(k8s\.io/[a-z0-9-]+) v0\.0\.0(?: // indirect)?$", re.MULTILINE)


def folder() -> Path:
    """Where the binaries of this version lie."""
    found = cache_dir() / "cluster" / KUBERNETES
    found.mkdir(parents=True, exist_ok=True)
    return found


def kubernetes(command: str) -> Path:
    """One of COMMANDS. Raises Missing."""
    return _built(command, partial(_build_kubernetes, command))


def coredns() -> Path:
    """The cluster's DNS. Raises Missing."""
    return _built("coredns", _build_coredns)


def kube_router() -> Path:
    """Enforces network policies. Raises Missing."""
    return _built("kube-router", _build_kube_router)


def versitygw() -> Path:
    """The S3 server of the single-node overlay. Raises Missing."""
    return built_with_go("github.com/versity/versitygw/cmd/versitygw", VERSITYGW)


def module(path: str, version: str) -> Path:
    """The source of a Go module, in Go's own cache. Raises Missing."""
    _need_go()
    try:
        run_quietly(["go", "mod", "download", f"{path}@{version}"], timeout_s=300)
    except RuntimeError as e:
        raise Missing(f"{path} {version} could not be downloaded: {e}") from e
    return _go_modules() / _escaped(path + "@" + version)


def all_of_them() -> Iterator[Path]:
    """Builds what is missing, the most wanted first."""
    yield from (kubernetes(command) for command in COMMANDS)
    yield coredns()
    yield versitygw()
    yield kube_router()


def _built(name: str, build: Callable[[Path, Path], None]) -> Path:
    target = folder() / name
    with exclusive(f"cluster-{name}"):
        if not target.exists():
            _need_go()
            work = folder() / f"{name}.build"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            try:
                build(work / name, work)
                (work / name).rename(target)
            except RuntimeError as e:
                raise Missing(f"{name} could not be built: {e}") from e
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return target


def _build_kubernetes(command: str, target: Path, work: Path) -> None:
    """From the published modules: a staging module that is required as v0.0.0 is replaced by its published release."""
    source = module("k8s.io/kubernetes", f"v{KUBERNETES}")
    text = (source / "go.mod").read_text()
    (go,) = re.findall(r"^go .+$", text, re.MULTILINE)
    release = "v0." + KUBERNETES.partition(".")[2]
    replaced = "".join(f"replace {name} => {name} {release}\n" for name in sorted(set(_STAGING.findall(text))))
    (work / "go.mod").write_text(f"module cluster\n\n{go}\n\nrequire k8s.io/kubernetes v{KUBERNETES}\n\n{replaced}")
    shutil.copyfile(source / "go.sum", work / "go.sum")
    minor = KUBERNETES.split(".")[1]
    version = "k8s.io/component-base/version"
    flags = f"-s -w -X {version}.gitVersion=v{KUBERNETES} -X {version}.gitMajor=1 -X {version}.gitMinor={minor}"
    flags += f" -X k8s.io/client-go/pkg/version.gitVersion=v{KUBERNETES}"
    _go(work, "build", "-trimpath", "-ldflags", flags, "-o", str(target), f"k8s.io/kubernetes/cmd/{command}")


def _build_coredns(target: Path, work: Path) -> None:
    """With three plugins instead of fifty: half a minute instead of three."""
    shutil.copyfile(Path(__file__).with_name("dns") / "main.go", work / "main.go")
    _go(work, "mod", "init", "dns")
    _go(work, "get", f"github.com/coredns/coredns@{COREDNS}")
    _go(work, "mod", "tidy")
    _go(work, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(target), ".")


def _build_kube_router(target: Path, work: Path) -> None:
    package = "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"
    _go(work, "mod", "init", "router")
    _go(work, "get", "-tool", f"{package}@{KUBE_ROUTER}")
    _go(work, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(target), package)


def _go(work: Path, *arguments: str) -> None:
    environment = {"GOFLAGS": "-mod=mod -buildvcs=false", "GOWORK": "off"}
    run_quietly(["go", "-C", str(work), *arguments], env=environment, timeout_s=_BUILD_S)


def _go_modules() -> Path:
    done = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def _escaped(path: str) -> str:
    """Go writes capitals as `!` and the small letter."""
    return re.sub(r"[A-Z]", lambda m: f"!{m[0].lower()}", path)


def _need_go() -> None:
    if not shutil.which("go"):
        raise Missing("go is not installed")


if __name__ == "__main__":
    for binary in all_of_them():
        print(f"{binary.stat().st_size / 1e6:7.0f} MB  {binary}", flush=True)
