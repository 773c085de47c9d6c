/**
 * What is stored of accounts: its shape, where it is found, and when it ends.
 *
 * Guarantees: no password, token, code or secret is stored in the clear; ids made of addresses are their
 * hashes; whoever reads a record decides by its own clock whether it has ended, the store's expiry only tidies.
 */
import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { Collection, sortable, type Documents } from '../archive/documents.js';
import { localeSchema } from '../mail/locale.js';
import type { AccountRole } from './principal.js';

/** RFC 5321. */
export const EMAIL_CHARS_MAX = 254;
export const NAME_CHARS_MAX = 100;

/** One account per address, however it was typed. */
export const emailSchema = z
  .string()
  .max(EMAIL_CHARS_MAX)
  .trim()
  .toLowerCase()
  .pipe(z.email())
  .meta({ format: 'email' });

export const ROLES = ['buyer', 'operator', 'service', 'steward'] as const satisfies readonly AccountRole[];

const time = z.number();

const secondFactorSchema = z.object({
  sealedSecret: z.string(),
  confirmedAt: time,
  /** Newest time step a code of which was accepted: no code works twice. */
  lastStep: z.number().int(),
  /** Wrong codes since the last right one or the last lock. */
  failures: z.number().int(),
  lockedUntil: time,
  recoveryHashes: z.array(z.string()),
});
export type SecondFactor = z.output<typeof secondFactorSchema>;

const userSchema = z.object({
  /** Null once the account was deleted. */
  email: z.string().nullable(),
  name: z.string(),
  passwordHash: z.string().nullable(),
  roles: z.array(z.enum(ROLES)),
  createdAt: time,
  /** Raised when all log-ins made before must end: what was made under a smaller one is void. */
  authVersion: z.number().int(),
  /** Mails to it are written in it; absent when the browser asked for none of ours. */
  locale: localeSchema.optional(),
  disabledAt: time.optional(),
  deletedAt: time.optional(),
  secondFactor: secondFactorSchema.optional(),
  /** A second factor that was not confirmed by a code yet. */
  pendingFactor: z.object({ sealedSecret: z.string(), createdAt: time }).optional(),
});
export type UserRecord = z.output<typeof userSchema>;
export interface User extends UserRecord {
  readonly id: string;
}

const addressSchema = z.object({
  /** The account that has the address, or wants it: without that account the claim can be taken over. */
  userId: z.string().nullable(),
  claimedAt: time,
  /** When somebody proved to read this address. */
  confirmedAt: time.optional(),
  /** The account on whose behalf that was; proving as a guest does not confirm somebody's account. */
  confirmedFor: z.string().optional(),
  /** Times of the mails of the last hour, and of those that reset a password. */
  mails: z.array(time),
  resets: z.array(time).default([]),
});
export type AddressRecord = z.output<typeof addressSchema>;

const sessionSchema = z.object({
  userId: z.string(),
  /** Of the account when it was made. */
  authVersion: z.number().int(),
  secondFactor: z.boolean(),
  createdAt: time,
  usedAt: time,
  /** The absolute end. */
  endsAt: time,
  idleMs: z.number(),
  /** Of the newest refresh token, counted from 1. */
  generation: z.number().int(),
  tokenHash: z.string(),
  /** Of the change from the previous token to the newest: lets the same request be answered the same. */
  rotation: z.object({ fromHash: z.string(), salt: z.string(), at: time }).optional(),
});
export type SessionRecord = z.output<typeof sessionSchema>;

export const MAILED_KINDS = ['confirm', 'reset'] as const;
const mailedTokenSchema = z.object({
  kind: z.enum(MAILED_KINDS),
  email: z.string(),
  userId: z.string().nullable(),
  /** Of the account when it was made; 0 without one. */
  authVersion: z.number().int(),
  endsAt: time,
});
export type MailedToken = z.output<typeof mailedTokenSchema>;

const attemptsSchema = z.object({
  failures: z.number().int(),
  lockedUntil: time,
  endsAt: time,
});
export type AttemptsRecord = z.output<typeof attemptsSchema>;

const lockSchema = z.object({ owner: z.string(), endsAt: time });

const signingKeySchema = z.object({
  generation: z.number().int(),
  kid: z.string(),
  /** Of the public point (RFC 7518 section 6.2.1). */
  x: z.string(),
  y: z.string(),
  sealedPrivate: z.string(),
  createdAt: time,
  activeFrom: time,
});
export type SigningKeyRecord = z.output<typeof signingKeySchema>;

/** How long times of mails are kept. */
export const MAIL_WINDOW_MS = 3_600_000;

export const usersOf = (documents: Documents) =>
  new Collection(documents, {
    name: 'users',
    schema: userSchema,
    lists: ({ createdAt, roles }) => ({
      all: sortable(createdAt),
      role: `${mainRole(roles)}/${sortable(createdAt)}`,
    }),
  });

const BY_WEIGHT = ['operator', 'service', 'steward'] as const satisfies readonly AccountRole[];

/** Where an account stands in the list by role. */
function mainRole(roles: readonly AccountRole[]): AccountRole {
  return BY_WEIGHT.find((role) => roles.includes(role)) ?? 'buyer';
}

export const addressesOf = (documents: Documents) =>
  new Collection(documents, {
    name: 'emails',
    schema: addressSchema,
    expiresAt: ({ userId, confirmedAt, mails, resets }) =>
      userId === null && confirmedAt === undefined
        ? Math.max(0, ...mails, ...resets) + MAIL_WINDOW_MS
        : undefined,
  });

export const sessionsOf = (documents: Documents) =>
  new Collection(documents, {
    name: 'sessions',
    schema: sessionSchema,
    lists: ({ userId, createdAt }) => ({ user: `${userId}/${sortable(createdAt)}` }),
    expiresAt: sessionEnd,
  });

export const sessionEnd = ({ endsAt, usedAt, idleMs }: SessionRecord): number =>
  Math.min(endsAt, usedAt + idleMs);

const endsAt = (value: { readonly endsAt: number }): number => value.endsAt;

export const mailedTokensOf = (documents: Documents) =>
  new Collection(documents, { name: 'tokens', schema: mailedTokenSchema, expiresAt: endsAt });

export const attemptsOf = (documents: Documents) =>
  new Collection(documents, { name: 'tokens', schema: attemptsSchema, expiresAt: endsAt });

export const locksOf = (documents: Documents) =>
  new Collection(documents, { name: 'tokens', schema: lockSchema, expiresAt: endsAt });

export const signingKeysOf = (documents: Documents) =>
  new Collection(documents, {
    name: 'signingKeys',
    schema: signingKeySchema,
    lists: ({ generation }) => ({ all: sortable(generation) }),
  });

export const USER_ID = /^u[0-9a-f]{32}$/;
export const newUserId = (): string => `u${randomBytes(16).toString('hex')}`;

/** Hex SHA-256 of parts that cannot run into each other. */
export function hashOf(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

export const addressId = (email: string): string => hashOf('address', email);

/** The same without some members: stored values are plain JSON, which has no undefined. */
export function without<T extends object, K extends keyof T>(value: T, ...keys: readonly K[]): Omit<T, K> {
  const rest = { ...value };
  for (const key of keys) Reflect.deleteProperty(rest, key);
  return rest;
}
