"""The Prometheus metrics of the compiler. Counted inside transactions: one that is retried counts twice."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Histogram

COMPILATIONS: Final = Counter("retake_compilations_total", "Compilations that ended", ["state"])
COMPILATION_SECONDS: Final = Histogram(
    "retake_compilation_seconds",
    "From the start of a compilation's work until its film is stored",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900),
)
PIECES: Final = Counter("retake_pieces_total", "Pieces that films and rendering ahead needed", ["origin"])
PIECE_SECONDS: Final = Histogram(
    "retake_piece_render_seconds",
    "Time to render and store one piece",
    ["kind"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
SIGNATURES: Final = Counter("retake_film_signatures_total", "Finished films by how their signing ended", ["outcome"])
