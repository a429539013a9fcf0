"""The generator's Replicate provider against the emulator."""

from __future__ import annotations

from typing import Final

from services.generator.domain.runs import Lane
from services.generator.providers.base import Provider
from services.generator.providers.replicate import provider as replicate_provider
from services.generator.providers.replicate.settings import ReplicateSettings
from tests.support.generator import Bench, ScriptedMaker
from tests.support.replicate import server

PATIENT: Final = {"request_s": 60, "settle_s": 120}
"""Timeouts for a busy machine, in seconds."""


def renew_provider(
    bench: Bench, replicate: server.Running, *, request_s: float = 0.7, settle_s: float = 1.2
) -> replicate_provider.ReplicateProvider:
    """Give the generator a new provider, as another process would start: it knows only what is in the database.

    Its timeouts are short, so that a response that never arrives is soon noticed; use PATIENT where a busy machine must
    not exceed them.
    """
    provider = replicate_provider.ReplicateProvider(
        ReplicateSettings(
            api_token=replicate.token,
            base_url=replicate.url,
            poll_s=0.05,
            request_s=request_s,
            settle_s=settle_s,
            cancel_after_s=86_400,
        )
    )
    offline = Provider(lambda kind: Lane.RENDER, ScriptedMaker())
    bench.rewire(
        providers={"replicate": Provider(replicate_provider.lane, remote=provider), "animatic": offline},
        default_provider="replicate",
    )
    return provider
