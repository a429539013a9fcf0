"""One small module (or package) per provider."""
