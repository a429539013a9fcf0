"""The API reference as one page of HTML, made from the OpenAPI document: no scripts, no styles from elsewhere."""

from __future__ import annotations

import json
from html import escape
from typing import Any, Final

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #3b6fd4 }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 62rem; padding: 1rem }
h1 { margin-bottom: 0 } h2 { border-bottom: 1px solid var(--line); margin-top: 2.5rem; padding-bottom: .3rem }
nav a { margin-right: .8rem; white-space: nowrap } a { color: var(--accent) }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .4rem 0; padding: .4rem .7rem }
summary { cursor: pointer; overflow-wrap: anywhere } summary b { display: inline-block; min-width: 4.2rem }
code, pre { background: var(--soft); border-radius: .3rem; font: 13px/1.4 monospace; padding: .1rem .3rem }
pre { max-height: 24rem; overflow: auto; padding: .6rem } table { border-collapse: collapse; width: 100% }
td, th { border-bottom: 1px solid var(--line); padding: .25rem .5rem; text-align: left; vertical-align: top }
.deep { padding-left: 1rem }
"""

_METHODS: Final = ("get", "post", "put", "patch", "delete")


def reference_page(spec: dict[str, Any]) -> str:
    tags = [t["name"] for t in spec.get("tags", [])]
    operations = [
        (path, method, op) for path, item in spec["paths"].items() for method, op in item.items() if method in _METHODS
    ]
    sections = "".join(_section(spec, tag, operations) for tag in tags)
    links = "".join(f'<a href="#{_anchor(t)}">{escape(t)}</a>' for t in [*tags, "schemas"])
    intro = "".join(f"<p>{_text(p)}</p>" for p in spec["info"]["description"].strip().split("\n\n"))
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(spec['info']['title'])} API</title><style>{_STYLE}</style>"
        f"<h1>{escape(spec['info']['title'])} API</h1><p>Version {escape(spec['info']['version'])} · "
        f"<a href=/openapi.json>openapi.json</a></p>{intro}<nav>{links}</nav>{sections}{_schemas(spec)}</html>"
    )


def _section(spec: dict[str, Any], tag: str, operations: list[tuple[str, str, dict[str, Any]]]) -> str:
    about = next((t.get("description", "") for t in spec["tags"] if t["name"] == tag), "")
    mine = "".join(_operation(spec, *o) for o in operations if tag in o[2].get("tags", []))
    return f"<h2 id={_anchor(tag)}>{escape(tag)}</h2><p>{_text(about)}</p>{mine}" if mine else ""


def _operation(spec: dict[str, Any], path: str, method: str, op: dict[str, Any]) -> str:
    bodies = "".join(
        f"<h4>Body: {escape(kind)}</h4>{_schema(media.get('schema', {}))}"
        for kind, media in op.get("requestBody", {}).get("content", {}).items()
    )
    rows = "".join(_answer(spec, *r) for r in op.get("responses", {}).items())
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code> {_text(op.get('summary', ''))}"
        f"</summary><div class=deep><p>{_text(op.get('description', ''))}</p>{_parameters(op)}{bodies}"
        f"<h4>Answers</h4><table>{rows}</table></div></details>"
    )


def _parameters(op: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(p['name'])}</code><td>{p['in']}<td>{'required' if p.get('required') else ''}"
        f"<td>{_text(p.get('description', ''))}"
        for p in op.get("parameters", [])
    )
    return f"<h4>Parameters</h4><table>{rows}</table>" if rows else ""


def _answer(spec: dict[str, Any], status: str, response: dict[str, Any]) -> str:
    if ref := response.get("$ref"):
        response = spec["components"]["responses"][ref.rpartition("/")[2]]
    schemas = [media.get("schema", {}) for media in response.get("content", {}).values()]
    return f"<tr><td>{escape(status)}<td>{_text(response.get('description', ''))}<td>{''.join(map(_schema, schemas))}"


def _schemas(spec: dict[str, Any]) -> str:
    found = spec.get("components", {}).get("schemas", {})
    parts = "".join(
        f"<details id=schema-{escape(name)}><summary><code>{escape(name)}</code> "
        f"{_text(schema.get('description', ''))}</summary><pre>"
        f"{escape(json.dumps(schema, indent=1, ensure_ascii=False))}</pre></details>"
        for name, schema in sorted(found.items())
    )
    return f"<h2 id=schemas>schemas</h2>{parts}"


def _schema(schema: dict[str, Any]) -> str:
    """A link to a named schema, or the schema itself if it is not empty."""
    if ref := schema.get("$ref"):
        name = ref.rpartition("/")[2]
        return f'<a href="#schema-{escape(name)}"><code>{escape(name)}</code></a>'
    return f"<pre>{escape(json.dumps(schema, indent=1, ensure_ascii=False))}</pre>" if schema else ""


def _text(text: str) -> str:
    """Escaped, with `code` marked."""
    parts = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts)) if len(parts) % 2 else escape(text)


def _anchor(tag: str) -> str:
    return tag.replace(" ", "-")
