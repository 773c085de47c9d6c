/** What a recovery finds of a ticket while workers go on with it. */
import { expect, it } from '@jest/globals';
import type { LedgerPosition } from '../../src/archive/port.js';
import { find, type RecoveryOptions } from '../../src/process/recovery.js';
import { ManualClock } from '../helpers/faults.js';

const ticket = { matchNumber: 1, category: 1 };
const at = (sequence: number): LedgerPosition => ({ incarnation: 3, sequence });

/** An archive that ends there, one look after the other, and a Redis between the looks. */
const options = (ends: readonly number[], position: number, archived: number): RecoveryOptions => {
  const left = [...ends];
  const inspected = { stored: { position: at(position), cursors: { archived: at(archived) } } };
  return {
    store: { inspect: () => Promise.resolve(inspected) },
    archive: { head: () => Promise.resolve(at(left.length > 1 ? left.shift()! : left[0]!)) },
    clock: new ManualClock(),
  } as unknown as RecoveryOptions;
};

it.each<readonly [standing: string, ends: readonly number[], position: number, archived: number]>([
  ['whole', [4], 5, 4],
  ['behind', [6], 5, 4],
  ['foreign', [3], 5, 4],
  // Archived between the two looks, and more of it since.
  ['whole', [3, 4], 5, 4],
  ['whole', [3, 7], 5, 4],
])(
  'is %s where the archive ends at %j, Redis is at %i and knows %i to be archived',
  async (standing, ends, position, archived) => {
    expect((await find(options(ends, position, archived), ticket)).standing).toBe(standing);
  },
);
