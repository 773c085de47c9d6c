/** Holds over HTTP: the cases, and what all contenders of them share. */
import type { Case, Running } from '../contender.js';
import { load } from '../generator.js';
import { startAll, startProgram, startRedis, stopAll, type Fsync, type Program } from '../program.js';
import { HOLD_PATH } from '../programs/web.js';

export interface HoldCase extends Case {
  readonly connections: number;
  /** Numbered from 0, three to a match. */
  readonly firstTicket: number;
  readonly tickets: number;
}

/** As the market has: 64 matches of 3 categories. */
export const TICKETS = 192;
/** The most that a master list may say; no round gets near it. */
export const CAPACITY = 1_000_000;

export const HOLD_CASES: readonly HoldCase[] = [
  { id: 'hot-64', title: 'one ticket, 64 connections', connections: 64, firstTicket: 0, tickets: 1 },
  { id: 'hot-512', title: 'one ticket, 512 connections', connections: 512, firstTicket: 3, tickets: 1 },
  {
    id: 'spread-64',
    title: '192 tickets, 64 connections',
    connections: 64,
    firstTicket: 0,
    tickets: TICKETS,
  },
  {
    id: 'spread-512',
    title: '192 tickets, 512 connections',
    connections: 512,
    firstTicket: 0,
    tickets: TICKETS,
  },
];

/** Asks whoever was started last, which is the web process. `expected`: the status of success. */
export function runningHolds(
  programs: readonly Program[],
  path = HOLD_PATH,
  expected = 201,
): Running<HoldCase> {
  const url = programs.at(-1)?.url ?? '';
  return {
    parts: programs,
    measure: ({ connections, firstTicket, tickets }, measuring) =>
      load({ url, connections, expected, requests: { kind: 'hold', path, firstTicket, tickets } }, measuring),
    stop: () => stopAll(programs),
  };
}

/** A Redis of its own, and the programs that are named, in this order. */
export async function startOnRedis(
  fsync: Fsync,
  files: readonly (readonly [name: string, file: string])[],
): Promise<Running<HoldCase>> {
  const programs = await startAll<Program>(async (started) => {
    const redis = started(await startRedis(fsync));
    const options = { redisUrl: redis.url, tickets: TICKETS, capacity: CAPACITY };
    for (const [name, file] of files) started(await startProgram(name, file, options));
  });
  return runningHolds(programs);
}
