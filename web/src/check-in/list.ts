/**
 * The list of a match's admissions, signed by the marketplace: what a gate decides on without a network.
 *
 * Guarantees: nothing of a list is believed before its signature was checked with the marketplace's keys, whether it
 * has just come or was kept; a list of another match is refused.
 */
import { isRecord } from '../api/problem';
import { base64UrlBytes, utf8, type TicketKeys } from './signature';

export type ListedState = 'valid' | 'used' | 'void';

export interface Listed {
  readonly category: number;
  readonly generation: number;
  readonly state: ListedState;
  /** Milliseconds since 1970; null while it was not used. */
  readonly usedAt: number | null;
}

export interface SignedList {
  readonly matchNumber: number;
  /** By the server's clock, milliseconds since 1970. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly admissions: ReadonlyMap<string, Listed>;
}

export type ListFaultKind = 'malformed' | 'forged' | 'unknown_key' | 'other_match';

export class ListFault extends Error {
  override readonly name = 'ListFault';

  constructor(readonly kind: ListFaultKind) {
    super(`the list is ${kind}`);
  }
}

/** A stadium's admissions are far fewer. */
export const LIST_CHARS_MAX = 32 * 1024 * 1024;
export const LISTED_MAX = 500_000;
/** A list that is older is told to be old. */
export const LIST_AGE_MS_MAX = 24 * 60 * 60_000;

const TYPE = 'ticktak-check-in-list';

/** Reads a compact JWS (RFC 7515) with EdDSA (RFC 8037). Throws `ListFault`. */
export async function readList(jws: string, keys: TicketKeys, matchNumber: number): Promise<SignedList> {
  if (jws.length > LIST_CHARS_MAX) throw new ListFault('malformed');
  const [header, payload, signature, ...rest] = jws.split('.');
  if (header === undefined || payload === undefined || signature === undefined || rest.length > 0) {
    throw new ListFault('malformed');
  }
  const head = jsonOf(header);
  const bytes = base64UrlBytes(signature);
  if (!isRecord(head) || !bytes) throw new ListFault('malformed');
  const { alg, typ, kid } = head;
  // Whatever else the same keys sign is no list, and extensions that must be understood are not.
  if (alg !== 'EdDSA' || typ !== TYPE || 'crit' in head) throw new ListFault('malformed');
  if (typeof kid !== 'string' || !keys.has(kid)) throw new ListFault('unknown_key');
  if (!(await keys.verifies(kid, bytes, utf8(`${header}.${payload}`)))) throw new ListFault('forged');
  const list = listOf(jsonOf(payload));
  if (list.matchNumber !== matchNumber) throw new ListFault('other_match');
  return list;
}

/** Whether it is so old that the gate must be told. */
export const isOld = ({ issuedAt, expiresAt }: SignedList, now: number): boolean =>
  now - issuedAt > LIST_AGE_MS_MAX || now > expiresAt;

function jsonOf(part: string): unknown {
  const bytes = base64UrlBytes(part);
  if (!bytes) throw new ListFault('malformed');
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch {
    throw new ListFault('malformed');
  }
}

function listOf(value: unknown): SignedList {
  if (!isRecord(value) || value['v'] !== 1) throw new ListFault('malformed');
  const { matchNumber, issuedAt, expiresAt, admissions } = value;
  const isWhole =
    isNumber(matchNumber) &&
    isNumber(issuedAt) &&
    isNumber(expiresAt) &&
    Array.isArray(admissions) &&
    admissions.length <= LISTED_MAX;
  if (!isWhole) throw new ListFault('malformed');
  return {
    matchNumber,
    issuedAt: issuedAt * 1_000,
    expiresAt: expiresAt * 1_000,
    admissions: new Map(admissions.map(listedOf)),
  };
}

const isNumber = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value);
const isState = (value: unknown): value is ListedState =>
  value === 'valid' || value === 'used' || value === 'void';

/** `[ticketId, category, generation, state, usedAt|null]`; times are in seconds. */
function listedOf(row: unknown): [string, Listed] {
  const [ticketId, category, generation, state, usedAt] = Array.isArray(row) ? (row as unknown[]) : [];
  const isWhole =
    typeof ticketId === 'string' &&
    isNumber(category) &&
    isNumber(generation) &&
    isState(state) &&
    (usedAt === null || isNumber(usedAt));
  if (!isWhole) throw new ListFault('malformed');
  return [ticketId, { category, generation, state, usedAt: usedAt === null ? null : usedAt * 1_000 }];
}
