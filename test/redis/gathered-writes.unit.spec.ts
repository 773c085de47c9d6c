/** Writes of one turn of the event loop go out together, whole and in order. */
import { Writable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { gather } from '../../src/redis/gathered-writes.js';

/** Keeps what it is given in each call. */
function watched() {
  const calls: string[][] = [];
  const stream = new Writable({
    decodeStrings: false,
    write: (chunk: string | Buffer, _, done) => {
      calls.push([String(chunk)]);
      done();
    },
    writev: (chunks, done) => {
      calls.push(chunks.map(({ chunk }: { chunk: string | Buffer }) => String(chunk)));
      done();
    },
  });
  gather(stream);
  return { stream, calls };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('gathered writes', () => {
  it('of one turn are one call, also those behind promises; the next turn is another', async () => {
    const { stream, calls } = watched();
    stream.write('a');
    stream.write(Buffer.from('b'));
    await Promise.resolve();
    stream.write('c');
    expect(calls).toEqual([]);
    await turn();
    stream.write('d');
    await turn();
    expect(calls).toEqual([['a', 'b', 'c'], ['d']]);
  });

  it('are not lost when the stream is ended in the same turn', async () => {
    const { stream, calls } = watched();
    stream.write('a');
    stream.write('b');
    stream.end('c');
    await turn();
    expect(calls.flat()).toEqual(['a', 'b', 'c']);
  });

  it('tell whoever writes when they are written, and when they are not', async () => {
    const { stream } = watched();
    const told: (string | null)[] = [];
    stream.write('a', () => told.push(null));
    stream.write('b', 'utf8', () => told.push(null));
    await turn();
    expect(told).toEqual([null, null]);
    stream.on('error', () => undefined);
    stream.write('c', (error) => told.push(error?.message ?? null));
    stream.destroy(new Error('gone'));
    await turn();
    expect(told).toEqual([null, null, 'gone']);
  });
});
