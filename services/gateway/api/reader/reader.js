"use strict";
// Shows /openapi.json as a page. Everything comes from this server: it works offline.

const METHODS = ["get", "post", "put", "patch", "delete"];

function element(tag, ...content) {
  const made = document.createElement(tag);
  made.append(...content.filter((part) => part !== null && part !== undefined));
  return made;
}

function link(href, text) {
  const made = element("a", text);
  made.href = href;
  return made;
}

/** Text in which `code` is marked. */
function text(source) {
  const parts = (source ?? "").split("`");
  return element("span", ...parts.map((part, index) => (index % 2 ? element("code", part) : part)));
}

function section(id, title, about, content) {
  const heading = element("h2", title);
  heading.id = id;
  return element("section", heading, element("p", text(about)), ...content);
}

function table(rows) {
  return element("table", ...rows.map((cells) => element("tr", ...cells.map((cell) => element("td", cell)))));
}

const nameOf = (ref) => ref.split("/").pop();

/** The type of a schema in a few words, with links to named schemas. */
function type(schema) {
  if (!schema) return element("span");
  if (schema.$ref) return link(`#schema-${nameOf(schema.$ref)}`, nameOf(schema.$ref));
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return element("span", ...choices.flatMap((one, index) => (index ? [" or ", type(one)] : [type(one)])));
  if (schema.title && schema.properties?.event) return element("code", schema.title);
  if (schema.type === "array") return element("span", "list of ", type(schema.items ?? {}));
  if (schema.enum) return element("code", schema.enum.join(" | "));
  if (schema.const !== undefined) return element("code", String(schema.const));
  if (schema.type === "object" && typeof schema.additionalProperties === "object") {
    return element("span", "map of ", type(schema.additionalProperties));
  }
  return element("code", schema.format ?? [schema.type ?? "any"].flat().join(" | "));
}

/** The limits of a value. */
function limits(schema) {
  const names = ["minimum", "maximum", "exclusiveMinimum", "minLength", "maxLength", "maxItems", "pattern", "default"];
  const inner = [schema, ...(schema.anyOf ?? [])];
  const found = inner.flatMap((one) => names.filter((name) => name in one).map((name) => `${name} ${JSON.stringify(one[name])}`));
  return found.length ? ` (${found.join(", ")})` : "";
}

function operation(document_, path, method, described) {
  const parameters = (described.parameters ?? []).map((p) => [
    element("code", p.name), p.in, p.required ? "required" : "", text(p.description)]);
  const bodies = Object.entries(described.requestBody?.content ?? {}).map(([kind, media]) => [
    element("code", kind), type(media.schema)]);
  const responses = Object.entries(described.responses ?? {}).map(([status, found]) => {
    const response = found.$ref ? document_.components.responses[nameOf(found.$ref)] : found;
    const types = Object.values(response.content ?? {}).map((media) => element("div", type(media.schema)));
    return [status, text(response.description), element("div", ...types)];
  });
  return element("details",
    element("summary", element("b", method.toUpperCase()), element("code", path), " ", text(described.summary)),
    element("p", text(described.description)),
    parameters.length ? element("h4", "Parameters") : null, parameters.length ? table(parameters) : null,
    bodies.length ? element("h4", "Body") : null, bodies.length ? table(bodies) : null,
    element("h4", "Responses"), table(responses));
}

function schema(name, described) {
  const required = new Set(described.required ?? []);
  const rows = Object.entries(described.properties ?? {}).map(([field, inner]) => [
    element("code", field), required.has(field) ? "" : "optional",
    element("span", type(inner), limits(inner)), text(inner.description)]);
  const values = described.enum ? element("p", element("code", described.enum.join(" | "))) : null;
  const made = element("details", element("summary", element("code", name), " ", text(described.description)), values, table(rows));
  made.id = `schema-${name}`;
  return made;
}

function show(document_) {
  const operations = Object.entries(document_.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => [path, method, item[method]]));
  const tags = document_.tags.map((tag) => section(`tag-${tag.name}`, tag.name, tag.description,
    operations.filter(([, , o]) => o.tags?.[0] === tag.name).map(([path, method, o]) => operation(document_, path, method, o))));
  const schemas = Object.entries(document_.components.schemas).map(([name, described]) => schema(name, described));
  const menu = element("nav", ...document_.tags.map((tag) => link(`#tag-${tag.name}`, tag.name)), link("#schemas", "schemas"));
  document.querySelector("main").replaceChildren(
    element("h1", `${document_.info.title} API`),
    element("p", `Version ${document_.info.version} · `, link("/openapi.json", "openapi.json")),
    ...document_.info.description.split("\n\n").map((paragraph) => element("p", text(paragraph))),
    menu, ...tags, section("schemas", "schemas", "", schemas));
  openTarget();
}

/** A link to a schema opens it. */
function openTarget() {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
  target?.scrollIntoView();
}

window.addEventListener("hashchange", openTarget);
fetch("/openapi.json").then((response) => response.json()).then(show, (error) => {
  document.querySelector("main").textContent = `openapi.json could not be read: ${error}`;
});
