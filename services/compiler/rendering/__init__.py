"""Renders pieces and writes films: ffmpeg graphs, MP4, audio, fonts, OpenTimelineIO and Content Credentials."""
