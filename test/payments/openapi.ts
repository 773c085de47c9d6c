/**
 * Checks requests and answers against Stripe's published description of its API (its repository `openapi`, file
 * `openapi/spec3.json`). Small on purpose: names, required ones, types, enumerations; nothing that is not
 * in the description may be sent or answered.
 */
interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly nullable?: boolean;
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly maxLength?: number;
}
type Content = Readonly<Record<string, { readonly schema: Schema }>>;
interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content: Content }>>;
}
export interface ApiDescription {
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

export interface Exchange {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly form: string;
  readonly status: number;
  readonly answer: unknown;
}

/** A form's parameters as a tree; a list's places are its names. */
type Tree = string | { [name: string]: Tree };

export class OpenApi {
  readonly #description: ApiDescription;

  constructor(description: ApiDescription) {
    this.#description = description;
  }

  /** What is wrong with an exchange; empty when it is as described. */
  faults(exchange: Exchange): string[] {
    const url = new URL(exchange.path, 'http://stripe');
    const operation = this.#operation(exchange.method, url.pathname);
    const name = `${exchange.method} ${url.pathname.replaceAll(/_[0-9a-f]{20,}/g, '_X')}`;
    if (!operation) return [`${name}: no such operation`];
    const isForm = exchange.method === 'POST';
    const sent = treeOf(isForm ? exchange.form : url.search.slice(1));
    const asked = isForm
      ? (operation.requestBody?.content['application/x-www-form-urlencoded']?.schema ?? {})
      : querySchema(operation);
    const response = operation.responses[exchange.status < 300 ? String(exchange.status) : 'default'];
    const answered = response?.content['application/json']?.schema;
    return [
      ...this.#form(asked, sent, `${name} sends`),
      ...(answered ? this.#json(answered, exchange.answer, `${name} answers`) : [`${name}: no such status`]),
    ];
  }

  /** An object that comes outside an answer: in an event. */
  objectFaults(schema: string, value: unknown): string[] {
    return this.#json({ $ref: `#/components/schemas/${schema}` }, value, schema);
  }

  #operation(method: string, path: string): Operation | undefined {
    const matches = Object.keys(this.#description.paths).filter((template) =>
      new RegExp(`^${template.replaceAll(/\{[^}]*\}/g, '[^/]+')}$`).test(path),
    );
    // Exact names before placeholders.
    const [best] = matches.toSorted((a, b) => a.split('{').length - b.split('{').length);
    return best === undefined ? undefined : this.#description.paths[best]?.[method.toLowerCase()];
  }

  #resolved(schema: Schema): Schema {
    if (schema.$ref === undefined) return schema;
    const name = schema.$ref.split('/').at(-1) ?? '';
    const found = this.#description.components.schemas[name];
    if (!found) throw new Error(`The description has no ${schema.$ref}`);
    return found;
  }

  #form(given: Schema, value: Tree, at: string): string[] {
    const schema = this.#resolved(given);
    if (schema.anyOf) return this.#anyOf(schema.anyOf, (one) => this.#form(one, value, at));
    if (typeof value === 'string') return leafFaults(schema, value, at);
    if (schema.type === 'array') {
      return Object.values(value).flatMap((item) => this.#form(schema.items ?? {}, item, `${at}[]`));
    }
    const lacking = (schema.required ?? []).filter((name) => !(name in value));
    return [
      ...lacking.map((name) => `${at}: ${name} is missing`),
      ...Object.entries(value).flatMap(([name, inner]) => {
        const known = schema.properties?.[name] ?? openSchema(schema);
        return known ? this.#form(known, inner, `${at} ${name}`) : [`${at}: unknown ${name}`];
      }),
    ];
  }

  #anyOf(schemas: readonly Schema[], check: (schema: Schema) => string[]): string[] {
    const results = schemas.map(check);
    // Of several that do not fit, the one that fits best says why.
    return results.toSorted((a, b) => a.length - b.length)[0] ?? [];
  }

  #json(given: Schema, value: unknown, at: string): string[] {
    const schema = this.#resolved(given);
    if (value === null) {
      return given.nullable === true || schema.nullable === true ? [] : [`${at}: must not be null`];
    }
    if (schema.anyOf) return this.#anyOf(schema.anyOf, (one) => this.#json(one, value, at));
    if (schema.enum && !schema.enum.includes(value))
      return [`${at}: ${JSON.stringify(value)} is none of its values`];
    if (Array.isArray(value)) {
      if (schema.type !== 'array') return [`${at}: is a list`];
      return value.flatMap((item) => this.#json(schema.items ?? {}, item, `${at}[]`));
    }
    if (typeof value !== 'object') return typeFaults(schema, value, at);
    return this.#object(schema, value as Record<string, unknown>, at);
  }

  #object(schema: Schema, value: Record<string, unknown>, at: string): string[] {
    if (schema.type !== undefined && schema.type !== 'object')
      return [`${at}: is an object, not ${schema.type}`];
    const { properties } = schema;
    // As `data.object` of an event: any object.
    if (!properties && !openSchema(schema)) return [];
    const lacking = (schema.required ?? []).filter((name) => !(name in value));
    return [
      ...lacking.map((name) => `${at}: ${name} is missing`),
      ...Object.entries(value).flatMap(([name, inner]) => {
        const known = properties?.[name] ?? openSchema(schema);
        return known ? this.#json(known, inner, `${at} ${name}`) : [`${at}: unknown ${name}`];
      }),
    ];
  }
}

const openSchema = ({ additionalProperties: open }: Schema): Schema | undefined =>
  typeof open === 'object' ? open : undefined;

function querySchema({ parameters = [] }: Operation): Schema {
  const query = parameters.filter((parameter) => parameter.in === 'query');
  return { type: 'object', properties: Object.fromEntries(query.map(({ name, schema }) => [name, schema])) };
}

function leafFaults(schema: Schema, value: string, at: string): string[] {
  const { type, enum: values, maxLength = Infinity } = schema;
  if (type === 'object' || type === 'array') return [`${at}: is one value, not ${type}`];
  if (values && !values.includes(value)) return [`${at}: ${value} is none of its values`];
  if (value.length > maxLength) return [`${at}: is longer than ${maxLength}`];
  if (type === 'integer' && !/^-?\d+$/.test(value)) return [`${at}: is no integer`];
  if (type === 'boolean' && !/^(true|false)$/.test(value)) return [`${at}: is no boolean`];
  return [];
}

function typeFaults({ type }: Schema, value: unknown, at: string): string[] {
  const fits = type === undefined || (type === 'integer' ? Number.isInteger(value) : type === typeof value);
  return fits ? [] : [`${at}: is ${typeof value}, not ${type}`];
}

function treeOf(form: string): Tree {
  const root: { [name: string]: Tree } = {};
  for (const [name, value] of new URLSearchParams(form)) {
    const path = name.split(/[[\]]+/).filter((part) => part !== '');
    let place = root;
    for (const part of path.slice(0, -1)) place = (place[part] ??= {}) as { [name: string]: Tree };
    place[path.at(-1) ?? ''] = value;
  }
  return root;
}
