/**
 * Ports for servers of tests that have to be known before the server starts, or that it gets again after it was away.
 * Guarantee: the system gives none of them to whoever asks for any port or connects to somewhere, so that nobody has
 * it between the look and the start, nor while its server is killed; and the processes of a run look in lanes of
 * their own. A suite that asks for very many is given the first ones again. Servers that need none of this listen on port 0.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below what systems give out: from 32768 on Linux, from 49152 elsewhere. */
const FIRST_PORT = 20_000;
const LANES = 120;
const LANE_PORTS = 100;
/** Workers of one run that have a lane each. */
const RUN_LANES = 8;

const runPid = Number(process.env['TEST_RUN_PID'] ?? process.ppid);
const worker = Number(process.env['JEST_WORKER_ID'] ?? 0);
const lane = (runPid * RUN_LANES + (worker % RUN_LANES)) % LANES;
let asked = 0;

/** One that nobody listens on, and that this suite has not had among the last it was given. */
export async function freePort(): Promise<number> {
  for (let looks = 0; looks < LANE_PORTS; looks += 1) {
    const port = FIRST_PORT + lane * LANE_PORTS + (asked % LANE_PORTS);
    // Before the look: others of this suite ask meanwhile.
    asked += 1;
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port left in lane ${lane}`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
