/**
 * Ids and proofs of reservations.
 *
 * Guarantees: the same command id gives the same reservation id; a reservation id names its ticket, so that it
 * can be looked up without an index; a token cannot be guessed and opens exactly one reservation. Comparisons
 * with secrets take the same time whatever is presented.
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import { CATEGORIES, MATCH_NUMBER_MAX } from '../catalog/match.js';
import type { TicketId } from '../rules/index.js';
import { base32 } from './base32.js';

/** RFC 4648 section 6, in lower case. */
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
/** 130 bits. */
const ID_CHARS = 26;

export const RESERVATION_ID = /^m([1-9]\d{0,3})c(\d)-[a-z2-7]{26}$/;
/** No token is longer; anything past it is not looked at. */
export const TOKEN_CHARS_MAX = 100;

/** Hex SHA-256 of parts that cannot run into each other. */
export function digest(...parts: readonly string[]): string {
  return hash('sha256', JSON.stringify(parts), 'hex');
}

/** `m<match>c<category>-<26 base32 characters>`. */
export function reservationId({ matchNumber, category }: TicketId, commandId: string): string {
  const hashed = hash('sha256', JSON.stringify([matchNumber, category, commandId]), 'buffer');
  return `m${matchNumber}c${category}-${base32(hashed, BASE32).slice(0, ID_CHARS)}`;
}

/** The ticket a reservation id names; null when no such id can have been made. */
export function ticketOfReservation(id: string): TicketId | null {
  const parts = RESERVATION_ID.exec(id);
  if (!parts) return null;
  const matchNumber = Number(parts[1]);
  const category = Number(parts[2]);
  if (matchNumber > MATCH_NUMBER_MAX || !CATEGORIES.some((known) => known === category)) return null;
  return { matchNumber, category };
}

/** `<reservation id>.<proof>`: reads, pays and cancels that reservation. */
export function guestToken(secret: string, id: string): string {
  return `${id}.${createHmac('sha256', secret).update(`reservation:${id}`).digest('base64url')}`;
}

/** The reservation a token opens; null when it was not made with `secret`. */
export function verifyToken(secret: string, token: string): string | null {
  if (token.length > TOKEN_CHARS_MAX) return null;
  const id = token.slice(0, Math.max(0, token.indexOf('.')));
  if (ticketOfReservation(id) === null) return null;
  return sameSecret(token, guestToken(secret, id)) ? id : null;
}

/** Compares without telling by its duration how much of it, or how long it, is right. */
export function sameSecret(presented: string, expected: string): boolean {
  const hashed = (text: string): Buffer => hash('sha256', text, 'buffer');
  return timingSafeEqual(hashed(presented), hashed(expected));
}

/** The token of an `Authorization: Bearer` header, or null. */
export function bearerToken(header: string | undefined): string | null {
  const match = /^Bearer +(\S+) *$/i.exec(header ?? '');
  return match?.[1] ?? null;
}
