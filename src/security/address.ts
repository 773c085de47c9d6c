/**
 * Addresses as numbers. An IPv4 address that arrives in its IPv6 form (`::ffff:192.0.2.1`, RFC 4291 section
 * 2.5.5.2) is that IPv4 address; zone ids (RFC 4007) name an interface of this machine and are dropped.
 */
import { isIP } from 'node:net';

export type Address =
  { readonly family: 4; readonly value: number } | { readonly family: 6; readonly value: bigint };

/** All addresses that begin with the same `prefix` bits; the bits after them are 0. */
export type Range = Address & { readonly prefix: number };

/** No address or range is written longer, zone included. */
const TEXT_CHARS_MAX = 100;
const MAPPED = 0xffffn;
const MAPPED_PREFIX = 96;
/** What one customer of a provider usually has; of anything smaller an attacker has as many as they like. */
const IPV6_CUSTOMER_PREFIX = 64;

/** Null when it is no address. */
export function parseAddress(text: string): Address | null {
  const parsed = written(text);
  if (parsed?.family !== 6 || parsed.value >> 32n !== MAPPED) return parsed;
  return { family: 4, value: Number(parsed.value & 0xffffffffn) };
}

/** An address, or a range in CIDR notation (RFC 4632). Null when it is neither. Bits after the prefix are cut. */
export function parseRange(text: string): Range | null {
  const [base = '', length, ...rest] = text.split('/');
  const parsed = written(base);
  if (!parsed || rest.length > 0) return null;
  const bits = parsed.family === 4 ? 32 : 128;
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return null;
  const prefix = length === undefined ? bits : Number(length);
  if (prefix > bits) return null;
  if (parsed.family === 6 && parsed.value >> 32n === MAPPED && prefix >= MAPPED_PREFIX) {
    const value = Number(parsed.value & 0xffffffffn);
    return { family: 4, value: mask4(value, prefix - MAPPED_PREFIX), prefix: prefix - MAPPED_PREFIX };
  }
  return parsed.family === 4
    ? { family: 4, value: mask4(parsed.value, prefix), prefix }
    : { family: 6, value: mask6(parsed.value, prefix), prefix };
}

export const mask4 = (value: number, prefix: number): number =>
  prefix === 0 ? 0 : (value & (-1 << (32 - prefix))) >>> 0;

export const mask6 = (value: bigint, prefix: number): bigint => {
  const rest = BigInt(128 - prefix);
  return (value >> rest) << rest;
};

/** Whether they have an address in common. */
export function overlap(one: Range, other: Range): boolean {
  const prefix = Math.min(one.prefix, other.prefix);
  if (one.family === 4) {
    return other.family === 4 && mask4(one.value, prefix) === mask4(other.value, prefix);
  }
  return other.family === 6 && mask6(one.value, prefix) === mask6(other.value, prefix);
}

/** The usual way to write it (RFC 5952 without shortening zeros). */
export function rangeText(range: Range): string {
  if (range.family === 4) return `${text4(range.value)}/${range.prefix}`;
  return `${text6(range.value)}/${range.prefix}`;
}

/** Under what name an address is counted: of IPv6 the customer's network. */
export function addressKey(text: string): string {
  return keyOf(parseAddress(text));
}

/** Of one that was read already; null for what is none. */
export function keyOf(address: Address | null): string {
  if (!address) return 'unknown';
  return address.family === 4
    ? text4(address.value)
    : `${text6(mask6(address.value, IPV6_CUSTOMER_PREFIX))}/${IPV6_CUSTOMER_PREFIX}`;
}

const text4 = (value: number): string =>
  [24, 16, 8, 0].map((shift) => String((value >>> shift) & 255)).join('.');

const text6 = (value: bigint): string =>
  Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16)).join(
    ':',
  );

function written(text: string): Address | null {
  if (text.length > TEXT_CHARS_MAX) return null;
  const plain = text.split('%', 1)[0] ?? '';
  switch (isIP(plain)) {
    case 4:
      return { family: 4, value: value4(plain) };
    case 6:
      return { family: 6, value: value6(plain) };
    default:
      return null;
  }
}

const value4 = (text: string): number =>
  text.split('.').reduce((value, part) => value * 256 + Number(part), 0);

/** `text` is known to be an IPv6 address. */
function value6(text: string): bigint {
  const [head = '', tail] = text.split('::');
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => 0);
  return [...front, ...zeros, ...back].reduce((value, group) => (value << 16n) | BigInt(group), 0n);
}

function groups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((part) => {
    if (!part.includes('.')) return [parseInt(part, 16)];
    const value = value4(part);
    return [value >>> 16, value & 0xffff];
  });
}
