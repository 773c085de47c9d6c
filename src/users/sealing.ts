/**
 * Keys derived from the one secret of the installation, and what they protect.
 *
 * Guarantees: what was sealed can be read only with the secret, and only in the place it was sealed for; each
 * purpose has a key of its own (HKDF, RFC 5869), so that nothing of one can be used as another.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const VERSION = 'v1';

export class Sealer {
  readonly #key: Buffer;
  readonly #secret: string;

  constructor(secret: string) {
    if (secret === '') throw new Error('The token secret is empty; remove its file to have a new one made.');
    this.#secret = secret;
    this.#key = this.#derived('seal');
  }

  /** AES-256-GCM. `place` is where it is kept: it opens nowhere else. */
  seal(text: string, place: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(place));
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return `${VERSION}.${Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url')}`;
  }

  /** Null when it was altered, moved, or sealed under another secret. */
  open(sealed: string, place: string): string | null {
    const [version, content = ''] = sealed.split('.');
    const bytes = Buffer.from(content, 'base64url');
    if (version !== VERSION || bytes.length < NONCE_BYTES + TAG_BYTES) return null;
    const nonce = bytes.subarray(0, NONCE_BYTES);
    const tag = bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
    const options = { authTagLength: TAG_BYTES };
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, options)
      .setAAD(Buffer.from(place))
      .setAuthTag(tag);
    try {
      const text = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES));
      return Buffer.concat([text, decipher.final()]).toString('utf8');
    } catch {
      return null;
    }
  }

  /** A keyed hash for one purpose. */
  keyed(purpose: string): (text: string) => Buffer {
    const key = this.#derived(`mac:${purpose}`);
    return (text) => createHmac('sha256', key).update(text).digest();
  }

  #derived(info: string): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#secret, 'ticktak users', info, KEY_BYTES));
  }
}

/** Compares texts of one length in a time that does not tell where they differ. */
export function sameText(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
