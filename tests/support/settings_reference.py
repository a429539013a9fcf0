"""`python -m tests.support.settings_reference > docs/operations/settings.md`: every setting of every service."""

from __future__ import annotations

import json
import sys
from typing import Final, get_args

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from services.compiler.config import Settings as Compiler
from services.gateway.config import Settings as Gateway
from services.generator.config import Settings as Generator
from services.review.config import Settings as Review
from shared.core.settings import ServiceSettings

SERVICES: Final[dict[str, type[ServiceSettings]]] = {
    "gateway": Gateway, "generator": Generator, "review": Review, "compiler": Compiler,
}  # fmt: skip
_HEAD: Final = """# Settings

Made by `make contracts` from each service's `config.py`; do not edit. A service reads its environment once, when it
starts, and says what is missing or wrong. `retake up` sets all of these for a system on one machine.

Lists and tables are JSON. Secrets belong in the platform's secret store; they never appear in logs.
"""


def settings_reference() -> str:
    """Those that all services share, then each service's own."""
    parts = [_HEAD, "## Every service", "", "With the prefix of the service: `GATEWAY_DATABASE_URL` and so on.", ""]
    parts += _table("<SERVICE>_", ServiceSettings.model_fields)
    for name, settings in SERVICES.items():
        own = {n: f for n, f in settings.model_fields.items() if n not in ServiceSettings.model_fields}
        parts += ["", f"## {name}", ""]
        parts += _table(settings.model_config.get("env_prefix", ""), own) if own else ["None of its own."]
    return "\n".join(parts) + "\n"


def _table(prefix: str, fields: dict[str, FieldInfo]) -> list[str]:
    rows = ["| variable | type | default | |", "|---|---|---|---|"]
    for name, field in fields.items():
        cells = (f"`{_name(prefix, name, field)}`", _type(field), _default(field), field.description or "")
        rows.append("| " + " | ".join(" ".join(str(c).split()).replace("|", "\\|") for c in cells) + " |")
    return rows


def _name(prefix: str, name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    return alias if isinstance(alias, str) else prefix + name.upper()


def _type(field: FieldInfo) -> str:
    kinds = [k for k in get_args(field.annotation) if k is not type(None)] or [field.annotation]
    names = {"SecretStr": "secret", "str": "text", "int": "integer", "float": "number", "bool": "true or false"}
    name = getattr(kinds[0], "__name__", str(kinds[0]))
    return names.get(name, "path" if name == "Path" else "JSON" if name in ("dict", "tuple", "list") else name.lower())


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "-" if field.default_factory else "**required**"
    if field.default is None:
        return "none"
    value = field.default
    plain = isinstance(value, str | int | float | bool)
    return f"`{value if plain and not isinstance(value, bool) else json.dumps(value, default=str)}`"


if __name__ == "__main__":
    sys.stdout.write(settings_reference())
