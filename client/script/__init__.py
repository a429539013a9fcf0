"""Scripts: episodes written as YAML or JSON files, with pictures beside them."""
