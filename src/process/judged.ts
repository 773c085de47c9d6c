/**
 * A schema's verdict on what came from outside. Guarantee: whatever the value, there is one. Zod (4.6) measures the
 * `length` of what stands where a text or a list belongs before it says that it is neither, and throws when that length
 * is an object that cannot be made a number: `{"name":{"length":{"toString":1,"valueOf":1}}}`.
 */
import { z } from 'zod';

export function judged<S extends z.ZodType>(
  schema: S,
  value: unknown,
): z.ZodSafeParseSuccess<z.output<S>> | z.ZodSafeParseError<unknown> {
  try {
    return schema.safeParse(value);
  } catch (error) {
    if (!(error instanceof TypeError) || !hasStrangeLength(value)) throw error;
    const message = 'has a `length` that is no number';
    return {
      success: false,
      error: new z.ZodError([{ code: 'custom', path: [], message, input: value }]),
    };
  }
}

/** Anywhere in it. Not by recursion: it may be nested deeply. */
function hasStrangeLength(value: unknown): boolean {
  const left = [value];
  while (left.length > 0) {
    const one = left.pop();
    if (typeof one !== 'object' || one === null) continue;
    if (!Array.isArray(one) && Object.hasOwn(one, 'length')) {
      const { length } = one as { readonly length?: unknown };
      if (typeof length === 'object' && length !== null) return true;
    }
    for (const inner of Object.values(one)) left.push(inner);
  }
  return false;
}
