"""A preview in the player: time to first byte and throughput of a 206, from the gateway and from nginx, same file.

The file is a 1080p video uploaded to the gateway, with a signed link. Each request asks for the whole file as a
range, as browsers do at first, on an open connection; the two servers alternate. Medians.
"""

from __future__ import annotations

import asyncio
import http.client
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from bench._gateway import Gateway, Missing, gateway, running
from bench._report import save, table
from deploy.local.supervisor.preflight import free_port
from shared.media.ffmpeg import ffmpeg_exe
from tests.support.postgres import embedded_postgres

ROUNDS: Final = 15
CHUNK: Final = 256 * 1024
REACH: Final = {"first_byte_ms": 50, "of_nginx": 0.5}
NOISE: Final = "testsrc2=size=1920x1080:rate=24,noise=alls=40:allf=t"  # as large as a provider's best
NGINX: Final = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log error; worker_processes 1; events {{}}
http {{
    access_log off; sendfile on; tcp_nopush on; types {{ video/mp4 mp4; }}
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="retake-bench-") as folder:
        result = asyncio.run(_measure(Path(folder)))
    rows = [[name, found["first_byte_ms"], f"{found['mb_per_s']:,.0f}"] for name, found in result["servers"].items()]
    table(f"206 of a 1080p preview of {result['bytes'] / 1e6:.0f} MB", ["", "first byte ms", "MB/s"], rows)
    if "nginx" in result["servers"]:
        ratio = result["servers"]["retake"]["mb_per_s"] / result["servers"]["nginx"]["mb_per_s"]
        result["of_nginx"] = ratio
        print(f"{ratio:.2f}x nginx (reach ≥ {REACH['of_nginx']}); first byte reach < {REACH['first_byte_ms']} ms")
    for missing in result["missing"]:
        print(f"missing peer: {missing}")
    print(f"raw numbers: {save('media', result | {'reach': REACH})}")


async def _measure(folder: Path) -> dict[str, Any]:
    video = folder / "preview.mp4"
    subprocess.run(
        [
            ffmpeg_exe(),
            "-loglevel",
            "error",
            "-f",
            "lavfi",
            "-i",
            NOISE,
            "-t",
            "3",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-crf",
            "18",
            "-pix_fmt",
            "yuv420p",
            "-movflags",
            "+faststart",
            str(video),
        ],
        check=True,
    )
    servers, missing = {}, []
    async with embedded_postgres(folder / "postgres") as postgres, gateway(folder, postgres) as g:
        link = await _uploaded(g, video)
        try:
            async with _nginx(folder) as port:
                servers = await asyncio.to_thread(_alternate, {"retake": (g.port, link), "nginx": (port, video.name)})
        except Missing as e:
            missing.append(str(e))
            servers = await asyncio.to_thread(_alternate, {"retake": (g.port, link)})
    return {"bytes": video.stat().st_size, "servers": servers, "missing": missing}


async def _uploaded(g: Gateway, video: Path) -> str:
    headers = {"Authorization": f"Bearer {g.token}", "Content-Type": "video/mp4"}
    url = f"http://127.0.0.1:{g.port}/api/v1/projects/{g.project}/uploads?filename=preview.mp4"
    async with httpx.AsyncClient(timeout=300) as api:
        answer = await api.post(url, content=video.read_bytes(), headers=headers)
    answer.raise_for_status()
    found = urlsplit(answer.json()["url"])
    return f"{found.path}?{found.query}"


@asynccontextmanager
async def _nginx(folder: Path) -> AsyncIterator[int]:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        raise Missing("nginx: apt-get install nginx")
    port, conf = free_port(), folder / "nginx.conf"
    root = folder / "public"
    root.mkdir()
    shutil.copy(folder / "preview.mp4", root)
    for reachable in (folder, root):
        reachable.chmod(0o755)  # nginx's worker is somebody else where we are root
    conf.write_text(NGINX.format(folder=folder, port=port, root=root))
    async with running([nginx, "-c", str(conf), "-e", str(folder / "start.log")], port, "/"):
        yield port


def _alternate(servers: dict[str, tuple[int, str]]) -> dict[str, Any]:
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in servers}
    connections = {name: http.client.HTTPConnection("127.0.0.1", port) for name, (port, _) in servers.items()}
    for _ in range(ROUNDS):
        for name, (_, path) in servers.items():
            found[name].append(_get(connections[name], "/" + path.lstrip("/")))
    return {
        name: {
            "first_byte_ms": statistics.median(first for first, _ in times),
            "mb_per_s": statistics.median(rate for _, rate in times),
            "all": times,
        }
        for name, times in found.items()
    }


def _get(connection: http.client.HTTPConnection, path: str) -> tuple[float, float]:
    """Milliseconds to the first byte of the body, and megabytes per second of the whole response."""
    buffer = memoryview(bytearray(CHUNK))
    began = time.perf_counter()
    connection.request("GET", path, headers={"Range": "bytes=0-"})
    answer = connection.getresponse()
    if answer.status != 206:
        raise RuntimeError(f"{path}: {answer.status}")
    size = answer.readinto(buffer[:1])
    first = time.perf_counter() - began
    while read := answer.readinto(buffer):
        size += read
    return first * 1000, size / 1e6 / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
