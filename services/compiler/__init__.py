"""Compiler: makes films of committed versions, quickly, by rendering their pieces ahead.

Owns: rendered pieces, compilations, films.
Consumes: complete, episode-changed, compile-requested, cancel-requested.
Publishes: film-updated.
"""
