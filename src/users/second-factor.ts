/**
 * The second factor: time-based one-time passwords (RFC 6238), and recovery codes for when the device is lost.
 *
 * Guarantees: a code is accepted once; wrong ones lock the factor for a while before they could be guessed;
 * secrets are sealed and recovery codes hashed where they are stored. These functions are pure: whoever stores
 * their answers does so at the version they were decided on, so that codes tried at once are counted one by one.
 */
import { randomBytes } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';
import { hashOf, type SecondFactor } from './records.js';
import { sameText, type Sealer } from './sealing.js';

/** RFC 6238 section 5.2, and what every authenticator app does. */
const STEP_SECONDS = 30;
const DIGITS = 6;
/** RFC 4226 section 4 R6 recommends 160 bits. */
const SECRET_BYTES = 20;
/** Steps a clock may be off, either way. */
const DRIFT_STEPS = 1;

export const WRONG_CODES_MAX = 5;
export const LOCKED_MS = 15 * 60_000;
/** How long an enrolment may take. */
export const PENDING_MS = 15 * 60_000;
const RECOVERY_CODES = 10;

export const CODE = /^\d{6}$/;
/** `abcd-efgh-ijkl-mnop`, 80 bits. */
export const RECOVERY_CODE = /^[a-z2-7]{4}(-[a-z2-7]{4}){3}$/;

export interface Presented {
  readonly totp?: string | undefined;
  readonly recoveryCode?: string | undefined;
}

export type FactorVerdict =
  | { readonly kind: 'right'; readonly by: 'totp' | 'recovery'; readonly factor: SecondFactor }
  | { readonly kind: 'wrong'; readonly isLocked: boolean; readonly factor: SecondFactor }
  | { readonly kind: 'locked'; readonly retryAfterMs: number }
  /** The installation's secret was changed: the factor can only be reset. */
  | { readonly kind: 'unreadable' };

/** A new secret, sealed, and the address an authenticator app takes it from (usually as a QR code). */
export function newSecret(
  sealer: Sealer,
  userId: string,
  email: string,
): { readonly sealedSecret: string; readonly secret: string; readonly uri: string } {
  const secret = new Secret({ buffer: new Uint8Array(randomBytes(SECRET_BYTES)).buffer });
  const uri = totpOf(secret, email).toString();
  return { sealedSecret: sealer.seal(secret.base32, placeOf(userId)), secret: secret.base32, uri };
}

/** The factor that a first right code makes of a secret; null for a wrong code. */
export function confirmed(
  sealer: Sealer,
  userId: string,
  sealedSecret: string,
  code: string,
  now: number,
): { readonly factor: SecondFactor; readonly recoveryCodes: readonly string[] } | null {
  const secret = sealer.open(sealedSecret, placeOf(userId));
  const step = secret === null ? null : stepOf(secret, code, now);
  if (step === null) return null;
  const recoveryCodes = Array.from({ length: RECOVERY_CODES }, newRecoveryCode);
  const recoveryHashes = recoveryCodes.map((recovery) => recoveryHash(userId, recovery));
  const factor = {
    sealedSecret,
    confirmedAt: now,
    lastStep: step,
    failures: 0,
    lockedUntil: 0,
    recoveryHashes,
  };
  return { factor, recoveryCodes };
}

/** Judges a code; `factor` is what must be stored for the verdict to count. */
export function judge(
  sealer: Sealer,
  userId: string,
  factor: SecondFactor,
  presented: Presented,
  now: number,
): FactorVerdict {
  if (factor.lockedUntil > now) return { kind: 'locked', retryAfterMs: factor.lockedUntil - now };
  const clean = { ...factor, failures: 0, lockedUntil: 0 };
  if (presented.recoveryCode !== undefined) {
    const hash = recoveryHash(userId, presented.recoveryCode);
    const left = factor.recoveryHashes.filter((known) => !sameText(known, hash));
    if (left.length < factor.recoveryHashes.length)
      return { kind: 'right', by: 'recovery', factor: { ...clean, recoveryHashes: left } };
    return wrong(factor, now);
  }
  const secret = sealer.open(factor.sealedSecret, placeOf(userId));
  if (secret === null) return { kind: 'unreadable' };
  const step = stepOf(secret, presented.totp ?? '', now);
  // A step at or before the newest accepted one: the code was seen.
  if (step === null || step <= factor.lastStep) return wrong(factor, now);
  return { kind: 'right', by: 'totp', factor: { ...clean, lastStep: step } };
}

function wrong(factor: SecondFactor, now: number): FactorVerdict {
  const failures = factor.failures + 1;
  const isLocked = failures >= WRONG_CODES_MAX;
  const counted = isLocked ? { failures: 0, lockedUntil: now + LOCKED_MS } : { failures };
  return { kind: 'wrong', isLocked, factor: { ...factor, ...counted } };
}

/** The time step of a right code. */
function stepOf(secret: string, code: string, now: number): number | null {
  if (!CODE.test(code)) return null;
  const totp = totpOf(Secret.fromBase32(secret), '');
  const delta = totp.validate({ token: code, timestamp: now, window: DRIFT_STEPS });
  return delta === null ? null : totp.counter({ timestamp: now }) + delta;
}

function totpOf(secret: Secret, label: string): TOTP {
  return new TOTP({
    issuer: 'ticktak',
    label,
    secret,
    algorithm: 'SHA1',
    digits: DIGITS,
    period: STEP_SECONDS,
  });
}

const placeOf = (userId: string): string => `second-factor:${userId}`;
const recoveryHash = (userId: string, code: string): string => hashOf('recovery', userId, code);

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

function newRecoveryCode(): string {
  const chars = [...randomBytes(16)].map((byte) => BASE32.charAt(byte & 31)).join('');
  return chars.replace(/(.{4})(?=.)/g, '$1-');
}
