/** Compressed record batches: what other clients write, and what must not be taken for it. */
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import {
  BATCH_BYTES_MAX,
  CompressionError,
  registerCodecs,
  type Codec,
} from '../../src/kafka/compression.js';

const registry: Record<number, () => unknown> = {};
registerCodecs(registry);
const TYPES = { gzip: 1, snappy: 2, lz4: 3, zstd: 4 };
type Name = keyof typeof TYPES;
const codecOf = (name: Name): Codec => registry[TYPES[name]]?.() as Codec;
const read = (name: Name, bytes: Buffer): Promise<Buffer> => codecOf(name).decompress(bytes);

const TEXT = Array.from({ length: 60 }, (_, i) => `{"match":${i},"seats":${i * i}}\n`).join('');

// Made of the text by the programs lz4 (-9 -B4 -BX; -9 -BD --no-frame-crc) and zstd (-19; --long=27 --no-check).
const base64 = (text: string): Buffer => Buffer.from(text, 'base64');
const LZ4 = base64(
  'BCJNGHRAvfIBAAD1B3sibWF0Y2giOjAsInNlYXRzIjowfQoWABUxFgAXMRYAFTIWABc0FgAVMxYAFzkWABY0QgAXNhcAFTUXACcyNRcAFTYXABgzLgAWN3EACFwAFTgXABg2iQAVORcAGDi2ABYx4wApMTDlAAfmABkyMgAG6QAoMTRiACcxM9YACJIAFzHvABg5wgAXMfEACfIAJzE2CgEJMgAG9QApMjhkAAb3ACkzMpYAFzk+AQmwAQb6ABk0+gAWMvoAKTQ0MgAH4wEYOGQAFjL6ACg1MpYAFjL6ACg1N8gAFjL6ABk2+gAWMvoAGjYyAAb6ABo3ZAAG+gAaN5YAB/MBCcgAFjP6ABk5+gAWM/oAGTksARcz9AEZMF8BFzP1ARkwkgEXM/YBGTHFASczNVsCCf4AJzM2GgAJKwIWM/8AKTEzXgIoMziQAgmcAAYBASkxNcQCFzT2Ahk2AwEXNPcCGTYqAxc0BAEZN1sDFzQEARk4jAMYNPoCCb0DFzT7AhkwBAEXNPwCGTEfBBc0/QIpMjBoAAYEATkyMzCcAAYEATgyNDDQACc1MGQDCQQBFjUEASoyNjQABgQBKTI3aAAnNTOZAwmcABY1BAEqMjnvBAYEARozBAEXNfMEGTE4ASg1N+gDCWgABwIEGTOgARc1AwRQNDgxfQpzcsYjAAAAAKcRORU=',
);
const LZ4_LINKED = base64(
  'BCJNGGBAgvIBAAD1B3sibWF0Y2giOjAsInNlYXRzIjowfQoWABUxFgAXMRYAFTIWABc0FgAVMxYAFzkWABY0QgAXNhcAFTUXACcyNRcAFTYXABgzLgAWN3EACFwAFTgXABg2iQAVORcAGDi2ABYx4wApMTDlAAfmABkyMgAG6QAoMTRiACcxM9YACJIAFzHvABg5wgAXMfEACfIAJzE2CgEJMgAG9QApMjhkAAb3ACkzMpYAFzk+AQmwAQb6ABk0+gAWMvoAKTQ0MgAH4wEYOGQAFjL6ACg1MpYAFjL6ACg1N8gAFjL6ABk2+gAWMvoAGjYyAAb6ABo3ZAAG+gAaN5YAB/MBCcgAFjP6ABk5+gAWM/oAGTksARcz9AEZMF8BFzP1ARkwkgEXM/YBGTHFASczNVsCCf4AJzM2GgAJKwIWM/8AKTEzXgIoMziQAgmcAAYBASkxNcQCFzT2Ahk2AwEXNPcCGTYqAxc0BAEZN1sDFzQEARk4jAMYNPoCCb0DFzT7AhkwBAEXNPwCGTEfBBc0/QIpMjBoAAYEATkyMzCcAAYEATgyNDDQACc1MGQDCQQBFjUEASoyNjQABgQBKTI3aAAnNTOZAwmcABY1BAEqMjnvBAYEARozBAEXNfMEGTE4ASg1N+gDCWgABwIEGTOgARc1AwRQNDgxfQoAAAAA',
);
const ZSTD = base64(
  'KLUv/QRo9QcARtMqFLBpODlKyFJJVIiUW8qU0gydCQ4EKQAjACEAlFY4xbOG5s+SJblxJNWH6sd4pDJ8+SUBiwkMRGJQQBiBCQwDITE4GIpFbzXzVD0d1OpxdI6ZSkc6h7xVcU9v+bPbV46Lr4lFPTjSCZ1LV/m4+NeJ/udgachvw50Vlv+TXGMeVY5LMXmP9lhzAoAF6S752CT1+jA9Ip1FhtVLjWr5jlamlE064d7659Jr7UEGdqgRkJzP+2/gpdYQVgYeA+ZLf0VMBfFLyUQKuxBZpLATkkXS4e3WgFpFrpXKWhGrmy1SO6Qnkk4yacnIFqmVQN7sopZ1sJK+AAERGCDNrgIjo983',
);
const ZSTD_LONG = base64(
  'KLUv/QCIdQcAIo0eFqAn6YL7MO7/VRW4SbllSikBFvVexQPEYeR+2pt91/crXoiXwcvw58W0lBbSGy10yyYPeuYRv2pqN8p17+bKWlmnWjWRBjk4hsNx8iTTpoWbllkqGuf4KdfUJmUblYfKYzrnZ66aG3GQQVEwEAQKBYAMioEAA4GgKAh2qCGM1/t3kKOkORDWrEoPBQtWBNOiYsaMLD0GLWZkacY1BzuvHrMlhwAodGxuKCFwGHl14WHZnw2RGxOVxxix4HMEk8WIyFJpjIj0TT3K78Cvj72hLgnNJkh9X+kONNnsnb2B9UXVqnGgh50hRkuOqg==',
);

const varint = (value: number): Buffer => {
  const bytes: number[] = [];
  let left = value;
  for (; left > 0x7f; left = Math.floor(left / 128)) bytes.push((left % 128) + 128);
  return Buffer.from([...bytes, left]);
};
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const uint32le = (value: number): Buffer => Buffer.from(int32(value | 0)).reverse();
/** 'abcdefgh' as it is, then copies of every kind, then a literal with a length of its own. */
const LITERAL = 'x'.repeat(300);
const SNAPPY = Buffer.concat([
  varint(8 + 4 + 20 + 5 + 300),
  Buffer.from([7 << 2]),
  Buffer.from('abcdefgh'),
  Buffer.from([(0 << 5) | (0 << 2) | 1, 8]),
  Buffer.from([(19 << 2) | 2, 1, 0]),
  Buffer.from([(4 << 2) | 3, 32, 0, 0, 0]),
  Buffer.from([61 << 2, 299 & 0xff, 299 >> 8]),
  Buffer.from(LITERAL),
]);
const SNAPPY_TEXT = `abcdefghabcd${'d'.repeat(20)}abcde${LITERAL}`;
const FRAME = Buffer.concat([Buffer.from('\x82SNAPPY\0', 'latin1'), int32(1), int32(1)]);
const block = (bytes: Buffer): Buffer => Buffer.concat([int32(bytes.length), bytes]);

const many = (count: number, part: Buffer): Buffer[] => Array.from({ length: count }, () => part);
/** A few bytes that claim to be more than a batch may hold. */
const BOMBS: Readonly<Record<Name, Buffer>> = {
  gzip: gzipSync(Buffer.alloc(BATCH_BYTES_MAX + 1)),
  snappy: Buffer.concat([varint(BATCH_BYTES_MAX + 1), Buffer.from([0, 0x61])]),
  lz4: Buffer.concat([
    LZ4.subarray(0, 4),
    Buffer.from([0x60, 0x70, 0]),
    uint32le(70_010),
    Buffer.from([0x1f, 0x61, 1, 0]),
    Buffer.alloc(70_005, 255),
    Buffer.from([0]),
    uint32le(0),
  ]),
  zstd: Buffer.concat([
    ZSTD.subarray(0, 4),
    Buffer.from([0, 0x70]),
    ...many(129, Buffer.from([0x02, 0x00, 0x10, 0x61])),
    Buffer.from([0x01, 0, 0]),
  ]),
};

describe('compressed batches', () => {
  it.each<[string, Name, Buffer, string]>([
    ['gzip', 'gzip', gzipSync(TEXT), TEXT],
    ['lz4', 'lz4', LZ4, TEXT],
    ['lz4, blocks that need those before', 'lz4', LZ4_LINKED, TEXT],
    ['lz4, two frames', 'lz4', Buffer.concat([LZ4, LZ4_LINKED]), TEXT + TEXT],
    ['zstd', 'zstd', ZSTD, TEXT],
    ['zstd with a window of 128 MiB', 'zstd', ZSTD_LONG, TEXT],
    ['zstd, two frames', 'zstd', Buffer.concat([ZSTD, ZSTD_LONG]), TEXT + TEXT],
    ['snappy', 'snappy', SNAPPY, SNAPPY_TEXT],
    ['snappy in a frame', 'snappy', Buffer.concat([FRAME, block(SNAPPY)]), SNAPPY_TEXT],
    [
      'snappy, blocks and frames',
      'snappy',
      Buffer.concat([FRAME, ...many(2, block(SNAPPY)), FRAME, block(SNAPPY)]),
      SNAPPY_TEXT.repeat(3),
    ],
    ['snappy, an empty frame', 'snappy', FRAME, ''],
  ])('are read: %s', async (_, name, bytes, text) => {
    expect((await read(name, bytes)).toString()).toBe(text);
  });

  it.each(Object.keys(TYPES) as Name[])('that are too large are refused: %s', async (name) => {
    const reading = read(name, BOMBS[name]);
    await expect(reading).rejects.toThrow(CompressionError);
    await expect(reading).rejects.toThrow(/16777216 bytes/);
  });

  it.each<[Name, Buffer]>([
    ['gzip', gzipSync(TEXT)],
    ['snappy', SNAPPY],
    ['snappy', Buffer.concat([FRAME, block(SNAPPY)])],
    ['lz4', LZ4],
    ['zstd', ZSTD],
  ])('that end early are refused, wherever they do: %s', async (name, bytes) => {
    for (let length = 0; length < bytes.length; length += 1) {
      // A frame without blocks is whole.
      if (name === 'snappy' && bytes.subarray(0, length).equals(FRAME)) continue;
      await expect(read(name, bytes.subarray(0, length))).rejects.toThrow(CompressionError);
    }
  });

  it.each<[string, Name, Buffer]>([
    ['a repetition of nothing', 'snappy', Buffer.from([5, (1 << 2) | 1, 1])],
    ['more than it says', 'snappy', Buffer.from([1, 1 << 2, 0x61, 0x62])],
    ['a block of negative length', 'snappy', Buffer.concat([FRAME, int32(-1)])],
    ['a block longer than the rest', 'snappy', Buffer.concat([FRAME, int32(9)])],
    ['another format', 'lz4', ZSTD],
    ['another format', 'zstd', LZ4],
    [
      'a frame of 4 GiB',
      'zstd',
      Buffer.concat([ZSTD.subarray(0, 4), Buffer.from([0xa0]), Buffer.alloc(8, 255)]),
    ],
    ['nothing', 'zstd', Buffer.alloc(0)],
  ])('that are damaged are refused: %s (%s)', async (_, name, bytes) => {
    const reading = read(name, bytes);
    await expect(reading).rejects.toThrow(CompressionError);
    await expect(reading).rejects.toThrow(`compressed with ${name} cannot be read`);
  });

  it('are not written', async () => {
    await expect(codecOf('lz4').compress()).rejects.toThrow('Writing lz4 is not supported');
  });
});
