"""Typed responses of the gateway."""

from client.models.accounts import GuestToken, Me, SignInConfig, Ticket, Token
from client.models.assets import Asset, Draft
from client.models.base import AssetKind, Model, Money, Problem, Resource, Setting, Settings
from client.models.batches import Batch, BatchItem, BatchStatus, StartedBatch
from client.models.bulk import BulkOutcome, BulkResult, BulkTarget
from client.models.episodes import AssetOutline, Episode, EpisodeOutline, Output, Revision, SegmentOutline
from client.models.estimates import Estimate, MissingPiece, PlannedRun
from client.models.films import Compilation, CompilationStatus, StartedCompilation
from client.models.imports import Import, ImportStatus
from client.models.notes import Note, NoteList
from client.models.partial_uploads import PartialUpload
from client.models.projects import (
    Character,
    FeedEntry,
    Member,
    Metrics,
    Project,
    ProjectSettings,
    RatedWeek,
    Share,
    Usage,
    UsageGroup,
)
from client.models.provenance import Provenance, ProvenanceIngredient
from client.models.reviews import Review, ReviewAction
from client.models.runs import Cost, Run, RunStatus
from client.models.segments import Segment, SegmentsStatus, SegmentStatus, Transition
from client.models.site import CatalogueModel, Health
from client.models.uploads import Upload
from client.models.versions import Version

__all__ = [
    "Asset",
    "AssetKind",
    "AssetOutline",
    "Batch",
    "BatchItem",
    "BatchStatus",
    "BulkOutcome",
    "BulkResult",
    "BulkTarget",
    "CatalogueModel",
    "Character",
    "Compilation",
    "CompilationStatus",
    "Cost",
    "Draft",
    "Episode",
    "EpisodeOutline",
    "Estimate",
    "FeedEntry",
    "GuestToken",
    "Health",
    "Import",
    "ImportStatus",
    "Me",
    "Member",
    "Metrics",
    "MissingPiece",
    "Model",
    "Money",
    "Note",
    "NoteList",
    "Output",
    "PartialUpload",
    "PlannedRun",
    "Problem",
    "Project",
    "ProjectSettings",
    "Provenance",
    "ProvenanceIngredient",
    "RatedWeek",
    "Resource",
    "Review",
    "ReviewAction",
    "Revision",
    "Run",
    "RunStatus",
    "Segment",
    "SegmentOutline",
    "SegmentStatus",
    "SegmentsStatus",
    "Setting",
    "Settings",
    "Share",
    "SignInConfig",
    "StartedBatch",
    "StartedCompilation",
    "Ticket",
    "Token",
    "Transition",
    "Upload",
    "Usage",
    "UsageGroup",
    "Version",
]
