"""All queries in one class, for the routes."""

from __future__ import annotations

from services.gateway.queries.approvals import ApprovalQueries
from services.gateway.queries.episodes import EpisodeQueries
from services.gateway.queries.estimates import EstimateQueries
from services.gateway.queries.films import FilmQueries
from services.gateway.queries.live import LiveQueries
from services.gateway.queries.notes import NoteQueries
from services.gateway.queries.projects import ProjectQueries
from services.gateway.queries.shares import ShareQueries


class Queries(
    EpisodeQueries,
    FilmQueries,
    ProjectQueries,
    LiveQueries,
    NoteQueries,
    EstimateQueries,
    ShareQueries,
    ApprovalQueries,
):
    """Reads for one caller on one connection."""
