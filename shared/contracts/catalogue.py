"""The model catalogue: one row of data per model, read by the gateway (forms, validation) and by the generator.

A row defines which settings a model accepts (JSON Schema), how settings and media become the provider's inputs, whether
the model accepts a seed, and what it costs. Adding or changing a model changes data only: `load_catalogue(path)` reads
an operator's file on top of the built-in rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeVar

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from shared.contracts.values import AssetKind

OFFLINE: Final = "animatic"  # needs no account: used where the default provider has no model of a kind
BUILT_IN: Final = "models.json"


class BadCatalogue(ValueError):
    """The catalogue is invalid; the message names the row and the error."""


class UnknownModel(LookupError):
    """No row has this slug. `known` lists the slugs that exist."""

    def __init__(self, slug: str, known: list[str]) -> None:
        super().__init__(f"There is no model {slug!r}. Known: {', '.join(known) or 'none'}.")
        self.slug = slug
        self.known = known


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Input(_Row):
    """One input of the provider: taken from a source and translated by `map`, or a constant `value`.

    Sources: `directions` (as the user wrote them; a narration's script as plain text, without its pauses), `speech` (a
    script as plain text with its pauses as `<#seconds#>`), `prompt` (with style and characters), `seed`,
    `starting_image`, `last_frame` (of the previous segment), `reference_images` (a list), `settings.NAME`. An absent
    value is left out.
    `if_set`: setting name -> the value to send instead when that setting has a value. `most`: the maximum length of a
    list.
    """

    source: str | None = Field(None, alias="from")
    value: Any = None
    map: dict[str, Any] | None = None
    if_set: dict[str, Any] = {}
    most: int = Field(10, ge=1)

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        known = {"directions", "speech", "prompt", "seed", "starting_image", "last_frame", "reference_images"}
        if (self.source is None) == (self.value is None):
            raise ValueError("an input needs either `from` or `value`")
        if self.source and self.source not in known and not self.source.startswith("settings."):
            raise ValueError(f"`from` is {self.source!r}, not settings.NAME or one of {', '.join(sorted(known))}")
        return self


class Price(_Row):
    """The price of a call: `amount` per unit, or `amounts` by the value of the setting `by` (decimal strings)."""

    unit: Literal["second", "image", "file", "thousand_characters"]
    currency: str = "USD"
    amount: str | None = Field(None, pattern=r"^\d+(\.\d+)?$")
    by: str | None = None
    amounts: dict[str, str] = {}

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.amount is None) == (not self.amounts) or bool(self.by) != bool(self.amounts):
            raise ValueError("a price has either `amount`, or `by` and `amounts`")
        return self


class Limits(_Row):
    """The limits of a provider or model, over all replicas together. Null: unlimited."""

    per_minute: float | None = Field(None, gt=0, description="requests per minute that start work")
    at_once: int | None = Field(None, ge=1, description="requests in progress at the same time")


class ProviderRow(_Row):
    """A provider's account. `token` is the environment variable that it needs, and `account` says how to get one."""

    name: str
    title: str
    limits: Limits = Limits()
    token: str | None = None
    account: str | None = None


class Model(_Row):
    """A model. `price` null: it is free. Settings outside `settings_schema` are refused."""

    slug: str
    provider: str
    title: str
    kinds: list[AssetKind] = Field(min_length=1)
    default_for: list[AssetKind] = []
    settings_schema: dict[str, Any]
    inputs: dict[str, Input] = {}
    price: Price | None = None
    limits: Limits = Limits()
    takes_seed: bool = False
    makes_sound: bool = Field(False, description="its videos must have sound")
    max_prompt_chars: int | None = None
    notes: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        try:
            Draft202012Validator.check_schema(self.settings_schema)
        except SchemaError as e:
            raise ValueError(f"settings_schema: {e.message}") from e
        if self.settings_schema.get("additionalProperties") is not False:
            raise ValueError("settings_schema must have additionalProperties: false")
        if self.takes_seed != ("seed" in self.properties):
            raise ValueError("takes_seed must be true exactly when there is a setting `seed`")
        if others := set(self.default_for) - set(self.kinds):
            raise ValueError(f"default_for has kinds that the model does not make: {sorted(others)}")
        for name, schema in self.properties.items():
            if "default" in schema and (problem := self.problem_of(name, schema["default"])):
                raise ValueError(f"the default is invalid: {problem}")
        named = {i.source[9:] for i in self.inputs.values() if i.source and i.source.startswith("settings.")}
        if self.price and self.price.by:
            named.add(self.price.by)
        if strays := named - set(self.properties):
            raise ValueError(f"inputs or price refer to unknown settings: {sorted(strays)}")
        return self

    @property
    def is_free(self) -> bool:
        """Whether its calls cost nothing whatever their settings."""
        if self.price is None:
            return True
        amounts = self.price.amounts.values() if self.price.amount is None else [self.price.amount]
        return all(Decimal(amount) == 0 for amount in amounts)

    @property
    def properties(self) -> dict[str, dict[str, Any]]:
        """The JSON Schema of each setting, by name."""
        found: dict[str, dict[str, Any]] = self.settings_schema.get("properties", {})
        return found

    @cached_property
    def _validators(self) -> dict[str, Draft202012Validator]:
        return {name: Draft202012Validator(schema) for name, schema in self.properties.items()}

    def default_of(self, name: str) -> Any:
        """The built-in default of a setting, or None."""
        return self.properties.get(name, {}).get("default")

    def problem_of(self, name: str, value: Any) -> str | None:
        """Why the model does not accept this value, with what it does accept; None if it accepts it."""
        validator = self._validators.get(name)
        if validator is None:
            known = ", ".join(sorted(self.properties)) or "none"
            return f"The model {self.slug} has no setting {name!r}. It takes: {known}."
        if validator.is_valid(value):
            return None
        return f"{name} must be {describe(self.properties[name])}, not {json.dumps(value, ensure_ascii=False)}."


def describe(schema: dict[str, Any]) -> str:
    """The permitted values of a setting as a phrase: "one of 480p, 720p, 1080p", "a whole number from 2 to 12"."""
    if "enum" in schema:
        return f"one of {', '.join(str(v) for v in schema['enum'])}"
    if schema.get("type") in ("integer", "number"):
        noun = "a whole number" if schema["type"] == "integer" else "a number"
        return noun + _range(schema.get("minimum"), schema.get("maximum"))
    if schema.get("type") == "boolean":
        return "true or false"
    if "pattern" in schema and "description" in schema:
        return str(schema["description"])
    longest = schema.get("maxLength")
    return f"text of at most {longest} characters" if longest else "text"


def _range(least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f" from {least} to {most}"
    if least is not None:
        return f" of at least {least}"
    return f" of at most {most}" if most is not None else ""


class Catalogue:
    """The models by slug, in the order of the file, and their providers. Raises BadCatalogue."""

    def __init__(self, models: list[Model], providers: list[ProviderRow] | None = None) -> None:
        self._models = {m.slug: m for m in models}
        self._providers = {p.name: p for p in providers or []}
        if len(self._models) != len(models):
            slugs = [m.slug for m in models]
            raise BadCatalogue(f"duplicate slugs: {sorted({s for s in slugs if slugs.count(s) > 1})}")
        for provider in {m.provider for m in models}:
            for kind in AssetKind:
                rows = [m.slug for m in models if m.provider == provider and kind in m.default_for]
                if len(rows) > 1:
                    raise BadCatalogue(f"{provider} has several defaults for {kind}: {rows}")

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def __contains__(self, slug: object) -> bool:
        return slug in self._models

    def get(self, slug: str) -> Model:
        """Raises UnknownModel."""
        try:
            return self._models[slug]
        except KeyError:
            raise UnknownModel(slug, list(self._models)) from None

    def provider(self, name: str) -> ProviderRow:
        """The row of a provider; one without a row has neither limits nor an account."""
        return self._providers.get(name) or ProviderRow(name=name, title=name)

    @property
    def limits(self) -> dict[str, Limits]:
        """Every limit by its name: a provider, or "provider model"."""
        found = {p.name: p.limits for p in self._providers.values()}
        found |= {limit_name(m): m.limits for m in self}
        return {name: limits for name, limits in found.items() if limits != Limits()}

    def of_kind(self, kind: AssetKind) -> list[Model]:
        return [m for m in self._models.values() if kind in m.kinds]

    def default(self, kind: AssetKind, provider: str) -> str:
        """The default model of a kind: the provider's, else the offline one. Raises UnknownModel."""
        rows = self.of_kind(kind)
        for wanted in (provider, OFFLINE):
            of_provider = [m for m in rows if m.provider == wanted]
            if chosen := next((m for m in of_provider if kind in m.default_for), next(iter(of_provider), None)):
                return chosen.slug
        raise UnknownModel(f"{provider} for {kind}", [m.slug for m in rows])


def limit_name(model: Model) -> str:
    """The name of a model's own limit."""
    return f"{model.provider} {model.slug}"


def load_catalogue(path: Path | None = None) -> Catalogue:
    """The built-in rows and, on top of them, an operator's.

    The file is a JSON object {"models": {slug: row}, "providers": {name: row}}; either may be missing. A row replaces
    the built-in row of the same name, `null` removes it, and {"like": SLUG, ...} copies a row with some fields changed.
    Raises BadCatalogue, naming the file, the row and the error.
    """
    return _built_in() if path is None else _read(path)


@cache
def _built_in() -> Catalogue:
    """It never changes, and checking its schemas takes a tenth of a second."""
    return _read(None)


def _read(path: Path | None) -> Catalogue:
    models, providers = _rows(resources.files("shared.contracts").joinpath(BUILT_IN).read_text("utf-8"), BUILT_IN)
    source = BUILT_IN
    if path is not None:
        source = f"{BUILT_IN} with {path}"
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as e:
            raise BadCatalogue(f"{path}: {e}") from e
        own_models, own_providers = _rows(text, str(path))
        models |= {slug: _derived(slug, row, models, str(path)) for slug, row in own_models.items()}
        providers |= own_providers
    try:
        return Catalogue(
            [_row(Model, "model", "slug", *item) for item in models.items() if item[1] is not None],
            [_row(ProviderRow, "provider", "name", *item) for item in providers.items() if item[1] is not None],
        )
    except BadCatalogue as e:
        raise BadCatalogue(f"{source}: {e}") from e


def _rows(text: str, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        loaded = json.loads(text)
    except ValueError as e:
        raise BadCatalogue(f"{name} is not valid JSON: {e}") from e
    known = {"models", "providers"}
    if (
        not isinstance(loaded, dict)
        or not loaded
        or set(loaded) - known
        or not all(isinstance(part, dict) for part in loaded.values())
    ):
        raise BadCatalogue(f'{name} must be {{"models": {{slug: row}}, "providers": {{name: row}}}}')
    return dict(loaded.get("models", {})), dict(loaded.get("providers", {}))


def _derived(slug: str, row: Any, known: dict[str, Any], source: str) -> Any:
    if not isinstance(row, dict) or "like" not in row:
        return row
    changed = dict(row)
    base = known.get(changed.pop("like"))
    if not isinstance(base, dict):
        raise BadCatalogue(f"{source}: model {slug} is like {row['like']!r}, which is not a model")
    return base | {"default_for": []} | changed


Row = TypeVar("Row", bound=_Row)


def _row(of: type[Row], what: str, key: str, name: str, row: Any) -> Row:
    try:
        return of.model_validate({key: name, **row})
    except ValidationError as e:
        errors = "; ".join(_describe_error(error) for error in e.errors())
        raise BadCatalogue(f"{what} {name}: {errors}") from e
    except TypeError as e:
        raise BadCatalogue(f"{what} {name} must be a JSON object") from e


def _describe_error(error: ErrorDetails) -> str:
    """`price.amount: String should match …`."""
    where = ".".join(str(part) for part in error["loc"])
    unknown = error["type"] == "extra_forbidden"
    what = "unknown field" if unknown else error["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what
