/**
 * The code on a ticket. Guarantees: nobody makes one without the private key; it can be checked offline with the
 * public key; the same admission has the same code as long as it has the same holder; of the texts that could
 * mean the same code one is valid. A code says nothing of who shows it, and not whether it was replaced: that,
 * only the service knows.
 *
 *     T1.<RESERVATION>.<NUMBER>.<GENERATION>.<KEY>.<SIGNATURE>
 *
 * RESERVATION is its id in capitals: it begins with match and category (`M12C3-...`). KEY names the key
 * (`kid`). SIGNATURE is Ed25519 (RFC 8032) over `ticktak ticket ` and all before the last dot, in base32 (RFC
 * 4648) without padding. All characters are of the alphanumeric mode of QR codes.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';
import { base32 } from '../http/base32.js';
import { ticketOfReservation } from '../http/identity.js';

export interface CodeFacts {
  readonly reservationId: string;
  readonly number: number;
  readonly generation: number;
}

/** RFC 8037. */
export interface PublicTicketKey {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly x: string;
  readonly kid: string;
  readonly use: 'sig';
  readonly alg: 'EdDSA';
}

/** How a code is written. Whether one is ours, its signature says. */
export const CODE_SHAPE =
  /^T1\.([A-Z0-9-]{1,60})\.([1-9]\d{0,3})\.(0|[1-9]\d{0,8})\.([A-Z2-7]{8})\.([A-Z2-7]{103})$/;
export const CODE_CHARS_MAX = 250;
const CONTEXT = 'ticktak ticket ';
const KID_CHARS = 8;
const SEED_BYTES = 32;
/** What stands before the seed in PKCS #8 (RFC 8410 section 7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

export class TicketCodes {
  readonly #privateKey: KeyObject;
  readonly #kid: string;
  readonly #verifiers = new Map<string, { readonly key: KeyObject; readonly jwk: PublicTicketKey }>();

  /**
   * `secret`: of the installation; the key is derived from it. `pastKeys`: public keys (`x` of their JWK) whose
   * codes are still out. Throws on one that is none.
   */
  constructor({ secret, pastKeys = [] }: { readonly secret: string; readonly pastKeys?: readonly string[] }) {
    const seed = Buffer.from(hkdfSync('sha256', secret, 'ticktak tickets', 'ed25519', SEED_BYTES));
    const der = Buffer.concat([PKCS8_PREFIX, seed]);
    this.#privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    const { x = '' } = createPublicKey(this.#privateKey).export({ format: 'jwk' });
    for (const one of [x, ...pastKeys]) {
      const jwk = jwkOf(one);
      this.#verifiers.set(jwk.kid, { key: createPublicKey({ key: { ...jwk }, format: 'jwk' }), jwk });
    }
    this.#kid = jwkOf(x).kid;
  }

  /** The one that signs first. */
  get keys(): readonly PublicTicketKey[] {
    return [...this.#verifiers.values()].map(({ jwk }) => jwk);
  }

  sign({ reservationId, number, generation }: CodeFacts): string {
    const content = `T1.${reservationId.toUpperCase()}.${number}.${generation}.${this.#kid}`;
    return `${content}.${base32(sign(null, Buffer.from(CONTEXT + content), this.#privateKey), ALPHABET)}`;
  }

  /**
   * Plain JSON as a compact JWS (RFC 7515, with EdDSA of RFC 8037); `type` is its `typ` and says what it is. What is
   * signed begins with `eyJ`, and what is signed of a code with `ticktak ticket `: neither is taken for the other.
   */
  statement(type: string, payload: unknown): string {
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const content = `${part({ alg: 'EdDSA', kid: this.#kid, typ: type })}.${part(payload)}`;
    return `${content}.${sign(null, Buffer.from(content), this.#privateKey).toString('base64url')}`;
  }

  /** What a code says; null when none of our keys signed it. */
  read(code: string): CodeFacts | null {
    if (code.length > CODE_CHARS_MAX) return null;
    const [, upper, number, generation, kid, signature] = CODE_SHAPE.exec(code) ?? [];
    const verifier = kid === undefined ? undefined : this.#verifiers.get(kid);
    if (upper === undefined || signature === undefined || !verifier) return null;
    const bytes = base32Bytes(signature);
    const content = code.slice(0, code.lastIndexOf('.'));
    // Its last character has bits to spare, which must not make a second text of the same signature.
    if (base32(bytes, ALPHABET) !== signature) return null;
    if (!verify(null, Buffer.from(CONTEXT + content), verifier.key, bytes)) return null;
    const reservationId = upper.toLowerCase();
    if (ticketOfReservation(reservationId) === null) return null;
    return { reservationId, number: Number(number), generation: Number(generation) };
  }
}

function jwkOf(x: string): PublicTicketKey {
  // RFC 7638: the required members in this order.
  const thumbprint = createHash('sha256')
    .update(JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x }))
    .digest();
  const kid = base32(thumbprint, ALPHABET).slice(0, KID_CHARS);
  return { kty: 'OKP', crv: 'Ed25519', x, kid, use: 'sig', alg: 'EdDSA' };
}

/** RFC 4648 section 6, without padding. */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

function base32Bytes(text: string): Buffer {
  const bytes: number[] = [];
  let bits = 0;
  let value = 0;
  for (const character of text) {
    value = ((value << 5) | ALPHABET.indexOf(character)) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >> bits) & 255);
    }
  }
  return Buffer.from(bytes);
}
