/** Reads form-encoded parameters with nested names (`metadata[a]=b`, `expand[0]=c`), as Stripe's API takes them. */
import { z } from 'zod';
import { invalid } from './answers.js';

interface Params {
  [name: string]: string | Params;
}

const PARAMS_MAX = 200;
const DEPTH_MAX = 5;
const NAME = /^[a-z0-9_]+(?:\[[^[\]]*\])*$/i;
const PART = /\[([^[\]]*)\]/g;

/** Throws an ApiError on what is no such form. */
export function parseForm(text: string): Params {
  const root: Params = newParams();
  let count = 0;
  for (const [name, value] of new URLSearchParams(text)) {
    count += 1;
    if (count > PARAMS_MAX) throw invalid(`More than ${PARAMS_MAX} parameters`);
    if (!NAME.test(name)) throw unknown(name);
    const path = [name.split('[')[0] ?? '', ...[...name.matchAll(PART)].map(([, part = '']) => part)];
    if (path.length > DEPTH_MAX) throw unknown(name);
    put(root, path, value);
  }
  return root;
}

// Without a prototype no name means anything but itself.
const newParams = (): Params => Object.create(null) as Params; // an object without properties is one

function put(root: Params, path: readonly string[], value: string): void {
  let place = root;
  path.slice(0, -1).forEach((part) => {
    const next = place[part] ?? newParams();
    if (typeof next === 'string') throw invalid(`Parameter ${part} is both a value and a group`);
    place[part] = next;
    place = next;
  });
  const last = path.at(-1) ?? '';
  // `name[]` appends.
  place[last === '' ? String(Object.keys(place).length) : last] = value;
}

function unknown(param: string): Error {
  return invalid(`Received unknown parameter: ${param.slice(0, 100)}`, { code: 'parameter_unknown', param });
}

/** Checks parameters; the errors are Stripe's. */
export function checked<S extends z.ZodType>(schema: S, params: Params): z.output<S> {
  const result = schema.safeParse(params);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const [first, ...rest] = (issue?.path ?? []).map(String);
  const param = `${first ?? ''}${rest.map((part) => `[${part}]`).join('')}`;
  if (issue?.code === 'unrecognized_keys') throw unknown([param, ...issue.keys].filter(Boolean).join(' '));
  throw invalid(`Invalid ${param}: ${issue?.message ?? 'not understood'}`, {
    code: `parameter_${issue?.code === 'invalid_type' ? 'missing' : 'invalid'}`,
    param,
  });
}

const EXPANDS_MAX = 20;

/** What several operations take. */
export const integer = z
  .string()
  .regex(/^\d{1,12}$/, 'not an integer')
  .transform(Number);
export const metadata = z
  .record(z.string().max(40), z.string().max(500))
  .refine((facts) => Object.keys(facts).length <= 50, 'more than 50 keys');
export const expand = z
  .record(z.string(), z.string().max(100))
  .transform((named) => Object.values(named))
  .refine((paths) => paths.length <= EXPANDS_MAX, `more than ${EXPANDS_MAX} paths`);
