/** Restate's server as a process of its own, on loopback, in a folder of its own, and telling nobody about it. */
import { freePort } from '../test/helpers/ports.js';
import { ServerProcess } from '../test/helpers/server-process.js';
import { found } from '../test/helpers/services.js';
import type { Program } from './program.js';

const restate = found('restate');

/** Why there is none; null when there is. */
export const findRestate = (): Promise<string | null> =>
  Promise.resolve(restate.kind === 'none' ? `Restate’s server: ${restate.reason || 'not looked for'}` : null);

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
    const environment = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
    const args = [...environment, restate.path ?? '', '--no-logo'];
    return { name: 'Restate', command: 'env', args, isReady: () => isHealthy(`http://${at(admin)}/health`) };
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
