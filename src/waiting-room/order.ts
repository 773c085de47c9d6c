/**
 * The order of those who came before the opening: drawn once, from a secret that nobody had before.
 *
 * Guarantees: every order is as likely as every other; whoever has the seed and the number of people computes the same
 * one, so that nothing is stored for each of them. What is computed is four bytes a person in each process, made once.
 * (A Feistel network over the next power of two would need none of that, but with few people its orders are not equally
 * likely, and it costs each question several rounds.)
 */
import { createCipheriv, hash } from 'node:crypto';

const CHUNK_BYTES_MAX = 65_536;
const CHUNK_BYTES_MIN = 64;
const IV_BYTES = 16;
const WORD_BYTES = 4;
const WORDS = 2 ** 32;

/** Numbers of 32 bits without end: the key stream of AES-256 in counter mode. */
class KeyStream {
  readonly #cipher;
  readonly #chunk: Buffer;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  /** `count`: about how many are needed. */
  constructor(key: Buffer, count: number) {
    const bytes = Math.min(CHUNK_BYTES_MAX, Math.max(CHUNK_BYTES_MIN, count * WORD_BYTES));
    this.#chunk = Buffer.alloc(bytes);
    this.#cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(IV_BYTES));
  }

  #word(): number {
    if (this.#at >= this.#bytes.length) {
      this.#bytes = this.#cipher.update(this.#chunk);
      this.#at = 0;
    }
    this.#at += WORD_BYTES;
    return this.#bytes.readUInt32LE(this.#at - WORD_BYTES);
  }

  /** From 0 to `count` - 1, each as likely: what lies beyond the last whole multiple is drawn anew. */
  below(count: number): number {
    const end = WORDS - (WORDS % count);
    let word = this.#word();
    while (word >= end) word = this.#word();
    return word % count;
  }
}

/** The rank of each of `count` people by the order in which they came (Fisher-Yates). */
export function drawOrder(seed: string, count: number): Uint32Array {
  const stream = new KeyStream(hash('sha256', JSON.stringify(['order', seed, count]), 'buffer'), count);
  const ranks = Uint32Array.from({ length: count }, (_, i) => i);
  for (let last = count - 1; last > 0; last -= 1) {
    const other = stream.below(last + 1);
    const kept = ranks[last] ?? 0;
    ranks[last] = ranks[other] ?? 0;
    ranks[other] = kept;
  }
  return ranks;
}
