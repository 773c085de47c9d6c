/** Ed25519 (RFC 8032) signatures of the marketplace's ticket keys, checked by whatever the browser has for it. */

/** As `GET /api/v1/tickets/keys` answers it (RFC 8037). */
export interface TicketKey {
  readonly kid: string;
  /** The public key, base64url. */
  readonly x: string;
}

export type Bytes = Uint8Array<ArrayBuffer>;
export type Verify = (key: Bytes, signature: Bytes, message: Bytes) => Promise<boolean>;

/** Keys that a marketplace may have at once; more are not looked at. */
const KEYS_MAX = 20;
const KEY_BYTES = 32;

export class TicketKeys {
  readonly #verify: Verify;
  readonly #keys: ReadonlyMap<string, Bytes>;

  constructor(keys: readonly TicketKey[], verify: Verify) {
    this.#verify = verify;
    const usable = keys.slice(0, KEYS_MAX).flatMap(({ kid, x }) => {
      const bytes = base64UrlBytes(x);
      return bytes?.length === KEY_BYTES ? [[kid, bytes] as const] : [];
    });
    this.#keys = new Map(usable);
  }

  get size(): number {
    return this.#keys.size;
  }

  has(kid: string): boolean {
    return this.#keys.has(kid);
  }

  /** False for a key that is not there, too. */
  async verifies(kid: string, signature: Bytes, message: Bytes): Promise<boolean> {
    const key = this.#keys.get(kid);
    return key !== undefined && (await this.#verify(key, signature, message));
  }
}

/** The browser's own, or, where it has no Ed25519, a package that is loaded then. */
export async function findVerify(
  subtle: SubtleCrypto | undefined = globalThis.crypto?.subtle,
): Promise<Verify> {
  if (subtle && (await hasEd25519(subtle))) return (...parts) => nativeVerify(subtle, ...parts);
  const { verifyAsync } = await import('@noble/ed25519');
  // As strict as the RFC, and as the service that signs.
  return (key, signature, message) =>
    verifyAsync(signature, message, key, { zip215: false }).catch(() => false);
}

const ALGORITHM = { name: 'Ed25519' } as const;

/** A public key of RFC 8032 section 7.1: whether it can be imported says whether the algorithm is there. */
const ANY_KEY = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';

async function hasEd25519(subtle: SubtleCrypto): Promise<boolean> {
  try {
    await subtle.importKey('raw', base64UrlBytes(ANY_KEY) ?? new Uint8Array(), ALGORITHM, false, ['verify']);
    return true;
  } catch {
    return false;
  }
}

async function nativeVerify(
  subtle: SubtleCrypto,
  key: Bytes,
  signature: Bytes,
  message: Bytes,
): Promise<boolean> {
  try {
    const imported = await subtle.importKey('raw', key, ALGORITHM, false, ['verify']);
    return await subtle.verify(ALGORITHM, imported, signature, message);
  } catch {
    // No point of the curve, or a signature of another length.
    return false;
  }
}

const BASE64URL = /^[A-Za-z0-9_-]*$/;

/** RFC 4648 section 5 without padding; null for anything else. */
export function base64UrlBytes(text: string): Bytes | null {
  if (!BASE64URL.test(text) || text.length % 4 === 1) return null;
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

export const utf8 = (text: string): Bytes => new TextEncoder().encode(text);
