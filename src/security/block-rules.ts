/** What may be blocked: not this machine, and not a large part of the world by a slip of the hand. */
import { overlap, parseRange, rangeText, type Range } from './address.js';

/** Loopback: RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3. */
export const LOOPBACK = ['127.0.0.0/8', '::1/128'] as const;

/** The largest allocations there are: a block that is larger is a mistake. */
const IPV4_PREFIX_MIN = 8;
const IPV6_PREFIX_MIN = 16;

/** All entries together: documents and files each. */
export const BLOCKS_MAX = 100_000;

/** Why a range cannot be blocked and what to do; null when it can. */
export function refusalOf(range: Range): string | null {
  if (range.prefix === 0) return 'it covers every address; name the ranges to be blocked';
  for (const loopback of LOOPBACK) {
    const known = parseRange(loopback);
    if (known && overlap(range, known)) {
      return `${rangeText(range)} covers loopback (${loopback}): the services would block themselves; leave it out`;
    }
  }
  const prefixMin = range.family === 4 ? IPV4_PREFIX_MIN : IPV6_PREFIX_MIN;
  if (range.prefix >= prefixMin) return null;
  return `${rangeText(range)} is too large: at most a /${prefixMin}; name smaller ranges`;
}
