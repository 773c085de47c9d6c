/**
 * Connections that only take room: thousands that say nothing, or nothing more, and bodies that come byte by byte. While
 * they are there others must be served; slow ones must be told so and ended; and what they took must be given back.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Memory } from './memory.js';
import { World } from './world.js';

export interface CrowdOptions {
  readonly idle: number;
  readonly slow: number;
  readonly log: (line: string) => void;
}

export interface CrowdReport {
  readonly opened: number;
  readonly slowEnded: number;
  readonly memory: { readonly before: Memory; readonly during: Memory; readonly after: Memory };
  readonly salesMs: readonly number[];
  readonly faults: readonly string[];
}

const OPENED_AT_ONCE = 200;
const SALES = 20;
const OPEN_MS_MAX = 120_000;
/** Headers and bodies have 10 and 30 s, and are looked at each 30 s. */
const SLOW_MS_MAX = 120_000;
const SLOW_BYTE_MS = 500;
/** More than this is not given back. */
const KEPT_SHARE_MAX = 0.1;

const GET = 'GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';
const SLOW_HEAD =
  'POST /api/v1/reservations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n';

/** Every other one asks once and stays. Rejects when it is not let in. */
function idle(port: number, asks: boolean): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const late = setTimeout(() => reject(new Error('a connection was not let in')), OPEN_MS_MAX);
    socket.on('error', reject);
    const isIn = (): void => {
      clearTimeout(late);
      resolve(socket);
    };
    if (!asks) socket.once('connect', isIn);
    else {
      socket.once('data', isIn);
      socket.write(GET);
    }
  });
}

/** Answers what came until it was ended; null when it was not in time. */
function slow(port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let text = '';
    const beat = setInterval(() => socket.writable && socket.write(' '), SLOW_BYTE_MS);
    const end = (answer: string | null): void => {
      clearInterval(beat);
      clearTimeout(late);
      socket.destroy();
      resolve(answer);
    };
    const late = setTimeout(() => end(null), SLOW_MS_MAX);
    socket.on('data', (chunk) => (text += String(chunk)));
    socket.on('error', () => undefined);
    socket.on('close', () => end(text));
    socket.write(SLOW_HEAD);
  });
}

export async function crowd({ idle: count, slow: slowCount, log }: CrowdOptions): Promise<CrowdReport> {
  const world = await World.start({ isChecked: false });
  const sockets: Socket[] = [];
  const faults: string[] = [];
  try {
    const port = world.port('reservations');
    // Once before, so that what is made for the first sale is not counted.
    for (let i = 0; i < SALES; i += 1) await world.checkSale();
    const before = await world.memory();
    const slowOnes = Array.from({ length: slowCount }, () => slow(port));
    for (let from = 0; from < count; from += OPENED_AT_ONCE) {
      const some = Math.min(OPENED_AT_ONCE, count - from);
      sockets.push(...(await Promise.all(Array.from({ length: some }, (_, i) => idle(port, i % 2 === 0)))));
    }
    log(`${sockets.length} idle connections are open`);
    const during = await world.memory();
    const salesMs: number[] = [];
    for (let i = 0; i < SALES; i += 1) {
      const startedAt = performance.now();
      await world.checkSale();
      salesMs.push(performance.now() - startedAt);
    }
    const ended = await Promise.all(slowOnes);
    const told = ended.filter(
      (text) => text?.startsWith('HTTP/1.1 408 ') && text.includes('"code":"request_timeout"'),
    );
    if (told.length < slowCount)
      faults.push(`${slowCount - told.length} of ${slowCount} slow bodies were not told 408`);
    for (const socket of sockets) socket.destroy();
    const after = await settled(world, before);
    const kept = after.heapUsed / before.heapUsed - 1;
    if (kept > KEPT_SHARE_MAX) faults.push(`${(kept * 100).toFixed(0)} % more heap is in use than before`);
    return {
      opened: sockets.length,
      slowEnded: told.length,
      memory: { before, during, after },
      salesMs,
      faults,
    };
  } finally {
    for (const socket of sockets) socket.destroy();
    await world.end();
  }
}

const SETTLE_TIMES = 20;

/** Closed connections are taken down bit by bit: looks until it is as before, and answers the last look. */
async function settled(world: World, before: Memory): Promise<Memory> {
  let memory = await world.memory();
  for (let i = 0; i < SETTLE_TIMES && memory.heapUsed > before.heapUsed * (1 + KEPT_SHARE_MAX); i += 1) {
    await sleep(500);
    memory = await world.memory();
  }
  return memory;
}
