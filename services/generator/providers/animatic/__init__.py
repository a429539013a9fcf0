"""The provider `animatic`: offline and free. Camera moves over a photograph, storyboard cards, speech and scores.

`engine` is the entry point. Everything heavy runs in child processes (`draw`, `speech`, `cards.storyboard`,
`music.score`), so that the event loop stays responsive and a run can be cancelled at any moment. A video goes from
directions to moves (`vocabulary`, `directions`), to windows on a photograph (`camera`, `photograph`), to frames that
ffmpeg encodes.
"""
