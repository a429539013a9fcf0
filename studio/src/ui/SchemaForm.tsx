/** Fields for an object that a JSON Schema describes: numbers, integers, choices, yes or no, text. */

import { SelectField, TextField, ui } from "./ui";

export interface Property {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly default?: unknown;
  readonly description?: string;
}

export type Values = Readonly<Record<string, unknown>>;

interface SchemaFormProps {
  /** `properties` of the schema. */
  readonly properties: Readonly<Record<string, Property>>;
  /** What is chosen; a name that is missing is left to `inherited`. */
  readonly values: Values;
  /** What holds where nothing is chosen, and where that comes from. */
  readonly inherited: (name: string) => string | null;
  readonly onChange: (values: Values) => void;
  readonly readOnly: boolean;
  readonly labels: { readonly name: (name: string) => string; readonly yes: string; readonly no: string };
}

export function SchemaForm(props: SchemaFormProps) {
  return (
    <div className={ui.fields}>
      {Object.entries(props.properties).map(([name, property]) => (
        <SchemaField key={name} {...props} name={name} property={property} />
      ))}
    </div>
  );
}

function SchemaField({
  name,
  property,
  values,
  inherited,
  onChange,
  readOnly,
  labels,
}: SchemaFormProps & { readonly name: string; readonly property: Property }) {
  const label = labels.name(name);
  const value = values[name];
  const usual = inherited(name) ?? (property.default === undefined ? "" : String(property.default));
  const set = (next: unknown) => {
    const { [name]: _, ...others } = values;
    onChange(next === undefined ? others : { ...others, [name]: next });
  };
  const choices =
    property.type === "boolean"
      ? [
          [true, labels.yes],
          [false, labels.no],
        ]
      : property.enum?.map((choice) => [choice, String(choice)]);
  if (choices) {
    const at = choices.findIndex(([choice]) => choice === value);
    return (
      <SelectField
        label={label}
        title={property.description}
        value={at < 0 ? "" : String(at)}
        disabled={readOnly}
        onChange={(event) => set(choices[Number(event.currentTarget.value || -1)]?.[0])}
      >
        <option value="">{usual || "–"}</option>
        {choices.map(([choice, text], n) => (
          <option key={String(choice)} value={n}>
            {String(text)}
          </option>
        ))}
      </SelectField>
    );
  }
  const isNumber = property.type === "number" || property.type === "integer";
  return (
    <TextField
      label={label}
      title={property.description}
      type={isNumber ? "number" : "text"}
      inputMode={isNumber ? "decimal" : undefined}
      min={property.minimum}
      max={property.maximum}
      step={property.type === "integer" ? 1 : "any"}
      maxLength={property.maxLength}
      pattern={property.pattern}
      placeholder={usual}
      value={value === undefined || value === null ? "" : String(value)}
      readOnly={readOnly}
      onChange={(event) => {
        const typed = event.currentTarget.value;
        if (typed === "") set(undefined);
        else set(isNumber ? Number(typed) : typed);
      }}
    />
  );
}

/** The properties of a schema as the API sends it. */
export function propertiesOf(schema: Readonly<Record<string, unknown>>): Readonly<Record<string, Property>> {
  const { properties } = schema;
  return typeof properties === "object" && properties !== null
    ? (properties as Readonly<Record<string, Property>>)
    : {};
}
