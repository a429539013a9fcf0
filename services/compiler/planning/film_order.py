"""What a film is made of: from a compile request, or from the episode's current state for rendering ahead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.contracts.events.gateway import CompileItem, CompileRequested, EpisodeChanged, PinnedMedia, TimelineSegment
from shared.contracts.values import AudioConfig, CaptionMode, Output, Transition, TransitionStyle


@dataclass(frozen=True)
class FilmOrder:
    """Items in film order. Width and height of the output are even, as 4:2:0 pictures require."""

    items: tuple[CompileItem, ...]
    music: PinnedMedia | None
    audio: AudioConfig
    output: Output
    captions: CaptionMode = CaptionMode.SOFT


def order_from_request(request: CompileRequested) -> FilmOrder:
    return FilmOrder(tuple(request.items), request.music, request.audio, even(request.output), request.captions)


@dataclass(frozen=True)
class CompilePreferences:
    """How the episode was compiled last, which predicts how it will be compiled next."""

    usual: Transition | None
    chosen: Mapping[str, Transition | None]
    audio: AudioConfig

    def after(self, segment: TimelineSegment) -> Transition | None:
        """The transition after a segment: its own takes precedence, as in a request that names none."""
        return segment.transition_after or self.chosen.get(segment.segment_id, self.usual)


FIRST_GUESS = CompilePreferences(Transition(style=TransitionStyle.DISSOLVE, duration_s=0.5), {}, AudioConfig())
"""For an episode that was never compiled. A wrong guess only costs idle time: clips are the same in any film."""


def preferences_of(last: CompileRequested | None) -> CompilePreferences:
    """From the episode's last request: each transition as it was, and new ones like most of the others."""
    if last is None:
        return FIRST_GUESS
    chosen = {item.segment_id: item.transition_after for item in last.items[:-1]}
    usual = max(chosen.values(), key=list(chosen.values()).count, default=FIRST_GUESS.usual)
    return CompilePreferences(usual, chosen, last.audio)


def expected_orders(
    timeline: EpisodeChanged, committed: Mapping[str, PinnedMedia], preferences: CompilePreferences
) -> tuple[list[FilmOrder], bool]:
    """What will most likely be requested: the rows of neighbouring segments that have committed videos (one without
    parts them), and whether that is the whole episode. `committed` by asset id.
    """
    rows: list[list[CompileItem]] = [[]]
    for segment in timeline.segments:
        video = committed.get(segment.video_asset_id)
        if video is None:
            rows.append([])
            continue
        item = CompileItem(
            segment_id=segment.segment_id,
            number=segment.number,
            video=video,
            narration=committed.get(segment.narration_asset_id),
            transition_after=preferences.after(segment),
        )
        rows[-1].append(item)
    music = committed.get(timeline.music_asset_id) if timeline.music_asset_id else None
    output = even(timeline.output)
    return [FilmOrder(tuple(row), music, preferences.audio, output) for row in rows if row], len(rows) == 1


def even(output: Output) -> Output:
    """The gateway accepts even sizes only; episodes from before this rule are rounded up."""
    return output.model_copy(
        update={"width": output.width + output.width % 2, "height": output.height + output.height % 2}
    )


def name_of(item: CompileItem) -> str:
    return f"Segment {item.number}"
