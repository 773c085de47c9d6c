/**
 * Reads the compressed record batches that other marketplaces may write; kafkajs by itself reads gzip only. Ours
 * are never compressed.
 *
 * Guarantees: a batch gives at most `BATCH_BYTES_MAX`, and takes little more memory than that, whatever its
 * headers claim; one that would be larger, ends early or contradicts itself rejects. Checksums within the
 * formats are not looked at.
 *
 * Snappy and LZ4 are decoded here: the JavaScript packages there are take damaged input for good.
 */
import { promisify } from 'node:util';
import { unzip } from 'node:zlib';
import { Decompress } from 'fzstd';

/** As kafkajs calls it. */
export interface Codec {
  readonly compress: () => Promise<Buffer>;
  readonly decompress: (bytes: Buffer) => Promise<Buffer>;
}

/** Brokers by default take batches of 1 MiB, compressed; producers make them of less than that, uncompressed. */
export const BATCH_BYTES_MAX = 16 * 1_024 * 1_024;

/** A batch that cannot be read. */
export class CompressionError extends Error {
  override readonly name = 'CompressionError';
}

const gunzip = promisify(unzip);

/** By the number of the compression in a batch's attributes. */
const CODECS: ReadonlyMap<number, Codec> = new Map([
  [1, codec('gzip', (bytes) => gunzip(bytes, { maxOutputLength: BATCH_BYTES_MAX }))],
  [2, codec('snappy', snappy)],
  [3, codec('lz4', lz4)],
  [4, codec('zstd', zstd)],
]);

/** Puts the codecs in the place of those of kafkajs. */
export function registerCodecs(registry: Record<number, () => unknown>): void {
  for (const [type, made] of CODECS) registry[type] = () => made;
}

function codec(name: string, decode: (bytes: Buffer) => Buffer | Promise<Buffer>): Codec {
  return {
    compress: () => Promise.reject(new CompressionError(`Writing ${name} is not supported`)),
    decompress: async (bytes) => {
      try {
        return await decode(bytes);
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new CompressionError(`A record batch compressed with ${name} cannot be read: ${reason}`, {
          cause,
        });
      }
    },
  };
}

function tooLarge(): Error {
  return new Error(`it holds more than ${BATCH_BYTES_MAX} bytes`);
}

/** Compressed bytes, read in turn. */
class Input {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  take(count: number): Buffer {
    if (count > this.left) throw new Error('it ends early');
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  /** True, and behind it, when these bytes come next. */
  skips(bytes: Buffer): boolean {
    const isNext = this.#bytes.subarray(this.#at, this.#at + bytes.length).equals(bytes);
    if (isNext) this.#at += bytes.length;
    return isNext;
  }

  /** Up to four bytes, little end first. */
  number(bytes: number): number {
    if (bytes > this.left) throw new Error('it ends early');
    this.#at += bytes;
    return this.#bytes.readUIntLE(this.#at - bytes, bytes);
  }
}

/** What Snappy and LZ4 have in common: bytes as they are, and repetitions of those before. */
class Output {
  #bytes = Buffer.allocUnsafe(64 * 1_024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  append(bytes: Buffer): void {
    this.#reserve(bytes.length);
    bytes.copy(this.#bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Longer than its distance, it repeats itself. */
  repeat(distance: number, count: number): void {
    if (distance < 1 || distance > this.#length) throw new Error('it repeats what is not there');
    this.#reserve(count);
    const start = this.#length - distance;
    const end = this.#length + count;
    while (this.#length < end) {
      const length = Math.min(this.#length - start, end - this.#length);
      this.#bytes.copyWithin(this.#length, start, start + length);
      this.#length += length;
    }
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed > BATCH_BYTES_MAX) throw tooLarge();
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.min(BATCH_BYTES_MAX, Math.max(needed, 2 * this.#bytes.length)));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

// ---- snappy -------------------------------------------------------------------------------------------

/** The frames of snappy-java: this, two versions, then blocks that each follow their length. */
const FRAMED = Buffer.from('\x82SNAPPY\0', 'latin1');

/** Clients that are not Java's may write one block without a frame. */
function snappy(bytes: Buffer): Buffer {
  const input = new Input(bytes);
  const output = new Output();
  if (!input.skips(FRAMED)) {
    snappyBlock(input, output);
    return output.bytes();
  }
  input.take(8);
  while (input.left > 0) {
    if (input.skips(FRAMED)) input.take(8);
    else snappyBlock(new Input(input.take(input.take(4).readUInt32BE())), output);
  }
  return output.bytes();
}

function snappyBlock(input: Input, output: Output): void {
  const end = output.length + snappyLength(input);
  if (end > BATCH_BYTES_MAX) throw tooLarge();
  while (input.left > 0) {
    const tag = input.number(1);
    const upper = tag >>> 2;
    switch (tag & 3) {
      case 0:
        output.append(input.take(1 + (upper < 60 ? upper : input.number(upper - 59))));
        break;
      case 1:
        output.repeat(((tag >>> 5) << 8) | input.number(1), 4 + (upper & 7));
        break;
      case 2:
        output.repeat(input.number(2), 1 + upper);
        break;
      default:
        output.repeat(input.number(4), 1 + upper);
    }
  }
  if (output.length !== end) throw new Error('it is not as long as it says');
}

function snappyLength(input: Input): number {
  let value = 0;
  for (let factor = 1; factor <= 2 ** 28; factor *= 128) {
    const byte = input.number(1);
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
  }
  throw new Error('its length is no number');
}

// ---- lz4 ----------------------------------------------------------------------------------------------

const LZ4_FRAME = Buffer.from([0x04, 0x22, 0x4d, 0x18]);
const LZ4_PLAIN = 2 ** 31;

function lz4(bytes: Buffer): Buffer {
  const input = new Input(bytes);
  const output = new Output();
  do lz4Frame(input, output);
  while (input.left > 0);
  return output.bytes();
}

function lz4Frame(input: Input, output: Output): void {
  if (!input.skips(LZ4_FRAME)) throw new Error('it is no LZ4 frame');
  const flags = input.number(1);
  if (flags >>> 6 !== 1) throw new Error('its version is unknown');
  if ((flags & 0x01) !== 0) throw new Error('it needs a dictionary');
  const blockChecksum = (flags & 0x10) === 0 ? 0 : 4;
  // Sizes of blocks, the size of it all when it is given, a checksum.
  input.take(1 + ((flags & 0x08) === 0 ? 0 : 8) + 1);
  for (let size = input.number(4); size !== 0; size = input.number(4)) {
    if (size >= LZ4_PLAIN) output.append(input.take(size - LZ4_PLAIN));
    else lz4Block(new Input(input.take(size)), output);
    input.take(blockChecksum);
  }
  if ((flags & 0x04) !== 0) input.take(4);
}

function lz4Block(input: Input, output: Output): void {
  for (;;) {
    const token = input.number(1);
    output.append(input.take(lz4Length(token >>> 4, input)));
    // The last sequence has nothing to repeat.
    if (input.left === 0) return;
    const distance = input.number(2);
    output.repeat(distance, 4 + lz4Length(token & 15, input));
  }
}

function lz4Length(start: number, input: Input): number {
  let length = start;
  if (start < 15) return length;
  for (;;) {
    const more = input.number(1);
    length += more;
    if (more < 255) return length;
  }
}

// ---- zstd ---------------------------------------------------------------------------------------------

const ZSTD_FRAME = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
/** Stands for a window of 16 MiB. */
const ZSTD_WINDOW_MAX = 14 << 3;
const ZSTD_REPEATED = 1;

function zstd(bytes: Buffer): Buffer {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const input = new Input(bytes);
  do {
    const frame = zstdFrame(input);
    const decoder = new Decompress((chunk) => {
      length += chunk.length;
      if (length > BATCH_BYTES_MAX) throw tooLarge();
      chunks.push(chunk);
    });
    decoder.push(frame, true);
  } while (input.left > 0);
  return Buffer.concat(chunks);
}

/**
 * The next frame, whole. The decoder allocates the window that a frame asks for, up to 2 GiB: here it asks for
 * no more than a batch may hold, and nothing reaches further back than that.
 */
function zstdFrame(input: Input): Buffer {
  if (!input.skips(ZSTD_FRAME)) throw new Error('it is no zstd frame');
  const head = Buffer.from(input.take(1));
  const flags = head.readUInt8();
  const isSingle = (flags & 0x20) !== 0;
  if ((flags & 0x03) !== 0) throw new Error('it needs a dictionary');
  const window = isSingle ? [] : [Math.min(input.number(1), ZSTD_WINDOW_MAX)];
  const size = zstdSize(flags >>> 6, isSingle, input);
  const parts = [ZSTD_FRAME, head, Buffer.from(window), size];
  let isLast = false;
  while (!isLast) {
    const blockHead = input.take(3);
    const value = blockHead.readUIntLE(0, 3);
    const isRepeated = ((value >>> 1) & 3) === ZSTD_REPEATED;
    parts.push(blockHead, input.take(isRepeated ? 1 : value >>> 3));
    isLast = (value & 1) === 1;
  }
  // A checksum of it all.
  if ((flags & 0x04) !== 0) parts.push(input.take(4));
  return Buffer.concat(parts);
}

/** The bytes that tell the size of what is in the frame. */
function zstdSize(kind: number, isSingle: boolean, input: Input): Buffer {
  const bytes = input.take(kind === 0 ? (isSingle ? 1 : 0) : 2 ** kind);
  const value =
    kind === 3 ? Number(bytes.readBigUInt64LE()) : bytes.length && bytes.readUIntLE(0, bytes.length);
  if (value > BATCH_BYTES_MAX) throw tooLarge();
  return bytes;
}
