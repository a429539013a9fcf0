"""Ways to run Retake: `local` is one machine with nothing but Python packages."""
