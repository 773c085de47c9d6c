/**
 * The services' own descriptions: which operations there are, values that their schemas allow, and what of an answer
 * is not as described. Only what our descriptions use of JSON Schema.
 */
import type { Chance } from './chance.js';
import { Entries, nodeOf, type Node } from './hostile.js';

export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly required?: readonly string[];
  readonly items?: Schema;
}

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header' | 'cookie';
  readonly required?: boolean;
  readonly schema: Schema;
}

interface Described {
  readonly parameters?: readonly Parameter[];
  readonly security?: readonly Readonly<Record<string, unknown>>[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema?: Schema }>> }>
  >;
}

export interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> };
}

export interface Operation {
  readonly role: string;
  /** In capitals. */
  readonly method: string;
  /** With its parameters' names: `/api/v1/matches/{matchNumber}`. */
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly schemes: readonly string[];
  readonly body: Schema | null;
  readonly document: Document;
  readonly responses: Described['responses'];
}

export const nameOf = ({ role, method, path }: Pick<Operation, 'role' | 'method' | 'path'>): string =>
  `${role} ${method} ${path}`;

export function operationsOf(role: string, document: Document): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => ({
      role,
      method: method.toUpperCase(),
      path,
      parameters: described.parameters ?? [],
      schemes: (described.security ?? []).flatMap((one) => Object.keys(one)),
      body: described.requestBody?.content['application/json']?.schema ?? null,
      document,
      responses: described.responses,
    })),
  );
}

function resolved(schema: Schema, { components }: Document): Schema {
  if (schema.$ref === undefined) return schema;
  const name = decodeURIComponent(schema.$ref.split('/').at(-1) ?? '');
  return components?.schemas?.[name] ?? {};
}

/** Answers a string for a field by its name, or null when the field has none of its own. */
export type NamedStrings = (name: string) => string | null;

/** A value that the schema allows, as far as its patterns are known by the names of fields. */
export function valueOf(given: Schema, operation: Operation, named: NamedStrings, chance: Chance): Node {
  const make = (schema: Schema, name: string, depth: number): Node => {
    const one = resolved(schema, operation.document);
    const choices = one.anyOf ?? one.oneOf;
    const numbers = (choices ?? []).map((choice) => resolved(choice, operation.document).const);
    const own = numbers.some((number) => typeof number === 'number') ? Number(named(name) ?? NaN) : NaN;
    if (numbers.includes(own)) return own;
    if (choices) return make(chance.pick(choices), name, depth + 1);
    if (one.const !== undefined) return nodeOf(one.const);
    if (one.enum) return nodeOf(chance.pick(one.enum));
    const type = typeof one.type === 'string' ? one.type : one.type?.find((kind) => kind !== 'null');
    switch (type) {
      case 'object':
        if (name === 'message' && Object.keys(one.properties ?? {}).length === 0) return saleOf(chance);
        return new Entries(
          Object.entries(one.properties ?? {})
            .filter(([key]) => one.required?.includes(key) === true || chance.percent(50))
            .map(([key, inner]) => [key, make(inner, key, depth + 1)] as const),
        );
      case 'array':
        return Array.from({ length: Math.max(one.minItems ?? 0, chance.whole(1, 3)) }, () =>
          make(one.items ?? {}, name, depth + 1),
        );
      case 'integer':
      case 'number':
        return numberOf(one, name, named, chance);
      case 'boolean':
        return chance.percent(50);
      case 'string':
        return named(name) ?? stringOf(one, chance);
      default:
        return new Entries([]);
    }
  };
  return make(given, '', 0);
}

function numberOf(schema: Schema, name: string, named: NamedStrings, chance: Chance): Node {
  const own = named(name);
  if (own !== null && /^\d+$/.test(own)) return Number(own);
  const min = schema.minimum ?? (schema.exclusiveMinimum ?? 0) + 1;
  return chance.whole(min, Math.max(min, Math.min(schema.maximum ?? 200, min + 200)));
}

function stringOf(schema: Schema, chance: Chance): string {
  switch (schema.format) {
    case 'uuid':
      return chance.uuid();
    case 'date-time':
      return new Date(Date.UTC(2022, 10, chance.whole(1, 30), chance.whole(0, 23))).toISOString();
    case 'date':
      return `2022-11-${chance.whole(10, 30)}`;
    case 'email':
      return `fuzz${chance.whole(1, 1_000_000)}@example.org`;
    default:
      return chance
        .text('abcdefgh', Math.max(schema.minLength ?? 1, chance.whole(1, 12)))
        .slice(0, schema.maxLength);
  }
}

/** A sales message as other marketplaces send it. */
export function saleOf(chance: Chance): Node {
  const action = chance.pick(['TICKET_PENDING', 'TICKET_RESERVED', 'TICKET_CANCELLED']);
  const category = chance.whole(1, 3);
  const tickets = { category, quantity: chance.whole(1, 2), price: [75, 125, 195][category - 1] };
  return nodeOf({ meta: { action }, body: { matchNumber: chance.whole(1, 40), tickets } });
}

const FAULTS_MAX = 5;

/** What is not as described in the JSON of an answer; empty when all is. */
export function faultsOf(given: Schema, value: unknown, document: Document): string[] {
  const faults: string[] = [];
  const fault = (at: string, what: string): void => {
    if (faults.length < FAULTS_MAX) faults.push(`${at || 'the body'} ${what}`);
  };
  const look = (schema: Schema, seen: unknown, at: string): void => {
    const one = resolved(schema, document);
    const choices = one.anyOf ?? one.oneOf;
    if (choices && !choices.some((choice) => faultsOf(choice, seen, document).length === 0)) {
      fault(at, 'is none of its forms');
    }
    for (const part of one.allOf ?? []) look(part, seen, at);
    if (one.enum && !one.enum.includes(seen)) fault(at, `is ${JSON.stringify(seen)?.slice(0, 40)}`);
    if (one.type !== undefined && ![one.type].flat().some((type) => isOfType(type, seen))) {
      fault(at, `is no ${String(one.type)}`);
      return;
    }
    if (typeof seen === 'number') {
      if (one.minimum !== undefined && seen < one.minimum) fault(at, `is ${seen}`);
      if (one.maximum !== undefined && seen > one.maximum) fault(at, `is ${seen}`);
    }
    if (Array.isArray(seen)) {
      for (const [index, item] of seen.entries()) look(one.items ?? {}, item, `${at}[${index}]`);
    } else if (typeof seen === 'object' && seen !== null) {
      lookInside(one, seen as Readonly<Record<string, unknown>>, at);
    }
  };
  const lookInside = (schema: Schema, seen: Readonly<Record<string, unknown>>, at: string): void => {
    for (const name of schema.required ?? []) {
      if (!Object.hasOwn(seen, name)) fault(`${at}.${name}`, 'is missing');
    }
    for (const [name, value] of Object.entries(seen)) {
      const own = schema.properties?.[name];
      if (own) look(own, value, `${at}.${name}`);
      else if (typeof schema.additionalProperties === 'object')
        look(schema.additionalProperties, value, `${at}.${name}`);
      else if (schema.additionalProperties === false) fault(`${at}.${name}`, 'is not described');
    }
  };
  look(given, value, '');
  return faults;
}

function isOfType(type: string, seen: unknown): boolean {
  switch (type) {
    case 'null':
      return seen === null;
    case 'array':
      return Array.isArray(seen);
    case 'object':
      return typeof seen === 'object' && seen !== null && !Array.isArray(seen);
    case 'integer':
      return Number.isInteger(seen);
    default:
      return typeof seen === type;
  }
}
