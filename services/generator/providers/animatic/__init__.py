"""The offline provider's media engine: camera moves over a photograph, drawn storyboard cards, speech and a score.

`engine` is the way in; everything heavy runs in child processes (`draw`, `speech`, `cards.storyboard`, `music.score`),
so that the caller's event loop stays free and a run can be cancelled at any moment. A video goes from words to moves
(`vocabulary`, `directions`), to windows on a photograph (`camera`, `photograph`), to frames that ffmpeg encodes.
"""
