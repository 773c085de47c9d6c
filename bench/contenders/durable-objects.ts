/** Durable virtual objects: Restate's server and SDK, an object per ticket. */
import type { Contender } from '../contender.js';
import { startAll, startProgram, type Program } from '../program.js';
import { findRestate, startRestate } from '../restate.js';
import { CAPACITY, runningHolds, type HoldCase } from './holds.js';

const DURABILITY =
  'Answers when the call and the object’s state are synced to the log of Restate’s server, one node without replicas: ' +
  'a crash of the machine loses nothing that was answered';
const SERVER = 'Restate’s server with its defaults but for telemetry';

async function start(path: 'web' | 'ingress') {
  const programs = await startAll<Program>(async (started) => {
    const restate = await startRestate();
    const { ingress } = restate;
    started(restate.server);
    const quiet = { RESTATE_LOGGING: 'WARN' };
    const worker = started(await startProgram('worker', 'objects-worker', { capacity: CAPACITY }, quiet));
    await restate.register(worker.url);
    if (path === 'web') started(await startProgram('web', 'objects-web', { ingress }));
    else started({ name: 'ingress', pid: 0, url: ingress, stop: () => Promise.resolve() });
  });
  return programs;
}

export const durableObjects: Contender<HoldCase> = {
  id: 'objects/web',
  title: 'Durable virtual objects (Restate)',
  durability: `${DURABILITY}.`,
  setUp: `One web process with the client of the SDK, one worker process (the service), and ${SERVER}.`,
  missing: findRestate,
  start: async () => runningHolds(await start('web')),
};

export const durableObjectsDirect: Contender<HoldCase> = {
  id: 'objects/direct',
  title: 'Durable virtual objects, asked directly',
  durability: `${DURABILITY}.`,
  setUp: `No web process of ours: the requests go to the ingress of ${SERVER}; one worker process (the service).`,
  missing: findRestate,
  start: async () => runningHolds(await start('ingress'), '/ticket/{ticket}/take', 200),
};
