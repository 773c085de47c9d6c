/**
 * Block lists in files: one address or CIDR range per line, `#` starts a comment. Guarantee: a file takes effect
 * whole or not at all; while it cannot be read or has a line that is none, what it last said stays.
 */
import { readFile, stat } from 'node:fs/promises';
import { parseRange, type Range } from './address.js';
import { refusalOf } from './block-rules.js';

/** Larger than that it is no list of at most 100,000 lines. */
const FILE_BYTES_MAX = 8 * 1024 * 1024;

export type ListFileChange =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'changed'; readonly ranges: readonly Range[] }
  /** `message` names the file, the line and what to do. */
  | { readonly kind: 'broken'; readonly message: string };

export class ListFile {
  readonly path: string;
  readonly #rangesMax: number;
  #seen = '';

  constructor(path: string, rangesMax: number) {
    this.path = path;
    this.#rangesMax = rangesMax;
  }

  /** Reads it if it is another one than the last time. */
  async poll(): Promise<ListFileChange> {
    try {
      const { mtimeMs, size, ino } = await stat(this.path);
      const seen = `${mtimeMs}/${size}/${ino}`;
      if (seen === this.#seen) return { kind: 'unchanged' };
      // A broken file is told of once, not at every look.
      this.#seen = seen;
      if (size > FILE_BYTES_MAX) return broken(`${this.path} is larger than ${FILE_BYTES_MAX} bytes`);
      return parseList(this.path, await readFile(this.path, 'utf8'), this.#rangesMax);
    } catch (error) {
      const message = `the block list ${this.path} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
      if (this.#seen === message) return { kind: 'unchanged' };
      this.#seen = message;
      return broken(message);
    }
  }
}

export function parseList(path: string, text: string, rangesMax: number): ListFileChange {
  const ranges: Range[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const entry = (line.split('#', 1)[0] ?? '').trim();
    if (entry === '') continue;
    const range = parseRange(entry);
    const refusal = range ? refusalOf(range) : 'it is no address and no range such as 192.0.2.0/24';
    if (!range || refusal !== null) return broken(`line ${index + 1} of ${path}: ${refusal ?? ''}`);
    if (ranges.length === rangesMax) return broken(`${path} has more than ${rangesMax} entries`);
    ranges.push(range);
  }
  return { kind: 'changed', ranges };
}

const broken = (message: string): ListFileChange => ({ kind: 'broken', message });
