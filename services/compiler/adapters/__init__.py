"""What the compiler needs from outside: PostgreSQL, files and objects, ffmpeg, and the MP4 and PCM formats."""
