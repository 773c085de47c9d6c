/**
 * A font for the web (WOFF 1.0, https://www.w3.org/TR/WOFF/) as the plain one it was made of. Read as it is, its
 * tables are inflated anew at every access, which took a document ten times as long.
 */
import { inflateSync } from 'node:zlib';

const SIGNATURE = 0x774f4646;
const WOFF_HEADER = 44;
const WOFF_ENTRY = 20;
const SFNT_HEADER = 12;
const SFNT_ENTRY = 16;
/** Of one table: the fonts we ship are far below it. */
const TABLE_BYTES_MAX = 16 * 1024 * 1024;

/** Throws on what is no such font. */
export function sfntOf(woff: Buffer): Buffer {
  if (woff.length < WOFF_HEADER || woff.readUInt32BE(0) !== SIGNATURE) throw new Error('not a WOFF font');
  const count = woff.readUInt16BE(12);
  const tables = Array.from({ length: count }, (_, index) => tableAt(woff, WOFF_HEADER + index * WOFF_ENTRY));
  const header = Buffer.alloc(SFNT_HEADER + count * SFNT_ENTRY);
  woff.copy(header, 0, 4, 8);
  header.writeUInt16BE(count, 4);
  const power = Math.floor(Math.log2(count));
  header.writeUInt16BE(2 ** power * SFNT_ENTRY, 6);
  header.writeUInt16BE(power, 8);
  header.writeUInt16BE((count - 2 ** power) * SFNT_ENTRY, 10);
  const parts: Buffer[] = [header];
  let offset = header.length;
  tables.forEach(({ tag, checksum, content }, index) => {
    const entry = SFNT_HEADER + index * SFNT_ENTRY;
    header.write(tag, entry, 'latin1');
    header.writeUInt32BE(checksum, entry + 4);
    header.writeUInt32BE(offset, entry + 8);
    header.writeUInt32BE(content.length, entry + 12);
    // Tables begin at multiples of four.
    const padding = Buffer.alloc((4 - (content.length % 4)) % 4);
    parts.push(content, padding);
    offset += content.length + padding.length;
  });
  return Buffer.concat(parts);
}

function tableAt(woff: Buffer, at: number): { tag: string; checksum: number; content: Buffer } {
  const [offset, packed, length, checksum] = [4, 8, 12, 16].map((place) => woff.readUInt32BE(at + place));
  if (offset === undefined || packed === undefined || length === undefined || checksum === undefined) {
    throw new Error('not a WOFF font');
  }
  const stored = woff.subarray(offset, offset + packed);
  const isPacked = packed < length;
  const content = isPacked ? inflateSync(stored, { maxOutputLength: TABLE_BYTES_MAX }) : stored;
  if (content.length !== length) throw new Error('a table of a WOFF font is not as long as it says');
  return { tag: woff.toString('latin1', at, at + 4), checksum, content };
}
