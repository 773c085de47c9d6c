/**
 * Restate's server as a process of its own, in a folder of its own. Guarantee: it speaks to nobody beyond this machine.
 * At its start it would ask GitHub for the newest release, which no setting prevents: it gets a hosts file of its own
 * in which GitHub is this machine.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../test/helpers/ports.js';
import { ServerProcess } from '../test/helpers/server-process.js';
import { found } from '../test/helpers/services.js';
import { environment, type Program } from './program.js';

const restate = found('restate');

const HOSTS = '/etc/hosts';
/** A mount that only the program behind it sees. */
const ISOLATED = ['--map-root-user', '--mount'];
const WITH_HOSTS = `mount --bind "$0" ${HOSTS} && exec "$@"`;

/** Why there is none; null when there is. */
export function findRestate(): Promise<string | null> {
  if (restate.kind === 'none')
    return Promise.resolve(`Restate’s server: ${restate.reason || 'not looked for'}`);
  const { status } = spawnSync('unshare', [...ISOLATED, 'sh', '-c', `mount --bind ${HOSTS} ${HOSTS}`]);
  return Promise.resolve(
    status === 0 ? null : 'Restate’s server could not be kept from asking GitHub (unshare)',
  );
}

export interface RestateServer {
  readonly server: Program;
  readonly ingress: string;
  /** Tells it where a service is. */
  register(service: string): Promise<void>;
}

export async function startRestate(): Promise<RestateServer> {
  const [ingress, admin, node] = [await freePort(), await freePort(), await freePort()];
  const at = (port: number): string => `127.0.0.1:${port}`;
  const server = new ServerProcess((dir) => {
    const settings = {
      DO_NOT_TRACK: '1',
      RESTATE_DISABLE_TELEMETRY: 'true',
      RESTATE_LISTEN_MODE: 'tcp',
      RESTATE_BASE_DIR: dir,
      RESTATE_BIND_ADDRESS: at(node),
      RESTATE_ADVERTISED_ADDRESS: `http://${at(node)}`,
      RESTATE_INGRESS__BIND_ADDRESS: at(ingress),
      RESTATE_ADMIN__BIND_ADDRESS: at(admin),
      RESTATE_LOG_FILTER: 'warn',
    };
    const hosts = join(dir, 'hosts');
    writeFileSync(hosts, `${readFileSync(HOSTS, 'utf8')}\n127.0.0.1 api.github.com\n`);
    const program = ['env', ...environment(settings), restate.path ?? '', '--no-logo'];
    return {
      name: 'Restate',
      command: 'unshare',
      args: [...ISOLATED, 'sh', '-c', WITH_HOSTS, hosts, ...program],
      isReady: () => isHealthy(`http://${at(admin)}/health`),
    };
  }, process.pid);
  await server.start();
  return {
    server: { name: 'restate', pid: server.pid ?? 0, url: '', stop: () => server.stop() },
    ingress: `http://${at(ingress)}`,
    async register(service) {
      const response = await fetch(`http://${at(admin)}/deployments`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ uri: service }),
      });
      if (!response.ok) throw new Error(`Restate did not take the service: ${await response.text()}`);
    },
  };
}

async function isHealthy(url: string): Promise<boolean> {
  return (await fetch(url)).ok;
}
