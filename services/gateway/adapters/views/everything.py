"""All views in one, as the HTTP entrypoint asks for them."""

from __future__ import annotations

from services.gateway.adapters.views.episodes import EpisodeViews
from services.gateway.adapters.views.films import FilmViews
from services.gateway.adapters.views.live import LiveViews
from services.gateway.adapters.views.projects import ProjectViews


class PostgresViews(EpisodeViews, FilmViews, ProjectViews, LiveViews):
    """Reads for one caller on one connection."""
