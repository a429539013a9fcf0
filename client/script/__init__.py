"""Scripts: episodes as YAML or JSON files, with pictures next to them."""
