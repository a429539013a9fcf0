"""All views in one, as the HTTP entrypoint asks for them."""

from __future__ import annotations

from services.gateway.queries.episodes import EpisodeViews
from services.gateway.queries.films import FilmViews
from services.gateway.queries.live import LiveViews
from services.gateway.queries.projects import ProjectViews


class PostgresViews(EpisodeViews, FilmViews, ProjectViews, LiveViews):
    """Reads for one caller on one connection."""
