"""Media mechanics: probing, ffmpeg, file types, provenance, sandboxed parsing."""
