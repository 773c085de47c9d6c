/** What a training's thread runs: it is given columns and a seed, says how far it is, and hands back an artefact. */
import { parentPort, workerData } from 'node:worker_threads';
import { judge } from './judge.js';
import type { Packed } from './packed.js';
import { train } from './train.js';
import type { ThreadMessage } from './training.js';

const { data, seed } = workerData as { readonly data: Packed; readonly seed: number };
const say = (message: ThreadMessage): void => parentPort?.postMessage(message);

const heldOut = judge(data, {
  seed,
  onEpoch: (epoch, of) => say({ kind: 'progress', step: 'judging', epoch, of }),
});
const artefact = train(data, {
  seed,
  onEpoch: (epoch, of) => say({ kind: 'progress', step: 'fitting', epoch, of }),
});
say({ kind: 'done', heldOut, artefact });
