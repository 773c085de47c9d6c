/**
 * How an answer is compressed. Guarantee: in the form that the browser weighs highest, and of several that it weighs
 * alike in the smallest. Browsers weigh all they know alike, and name gzip first.
 */
import type { IncomingHttpHeaders } from 'node:http';
import Negotiator from 'negotiator';

export type Encoding = 'br' | 'gzip';

/** The smallest first. */
const PREFERRED = ['br', 'gzip'] as const satisfies readonly Encoding[];
const OFFERED = [...PREFERRED, 'identity'] as const;

/** The types of the package do not know its second parameter. */
interface EncodingNegotiator {
  encoding(
    available: readonly (typeof OFFERED)[number][],
    options: { readonly preferred: readonly Encoding[] },
  ): string | undefined;
}

/** Null: as it is. RFC 9110 section 12.5.3. */
export function encodingFor({ 'accept-encoding': accepted }: IncomingHttpHeaders): Encoding | null {
  if (accepted === undefined) return null;
  const negotiator: EncodingNegotiator = new Negotiator({ headers: { 'accept-encoding': accepted } });
  const best = negotiator.encoding(OFFERED, { preferred: PREFERRED });
  return PREFERRED.find((encoding) => encoding === best) ?? null;
}
