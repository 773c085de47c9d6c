/** Runs the built marketplace, or single roles of it, as separate OS processes. `npm test` builds first. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MAIN = new URL('../../dist/src/run.js', import.meta.url).pathname;
const START_MS_MAX = 60_000;
const PORTS = [
  'CLIENT',
  'SHOP',
  'CONSUMER',
  'RESERVATIONS',
  'USER',
  'PAYMENTS',
  'SECURITY',
  'ANALYTICS',
  'WORKER',
];

export interface Running {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Base URL of a role of this process. */
  url(role: string): string;
  kill(signal: NodeJS.Signals): void;
  /** Ends it with a signal and answers its exit code, null when the signal killed it. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Ports are free ones unless `env` says otherwise. Resolves when it says that it is open. `main`: of another version. */
export async function run(
  roles: readonly string[],
  env: Readonly<Record<string, string>>,
  main = MAIN,
): Promise<Running> {
  const args = [main, ...roles.flatMap((role) => ['--role', role])];
  const ports = Object.fromEntries(PORTS.map((name) => [`${name}_PORT`, '0']));
  // One buyer of these tests buys more than once; what guests may is tested elsewhere.
  const defaults = { PAYMENT_SANDBOX: 'true', GUESTS: 'open' };
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'], LOG_LEVEL: 'error', ...ports, ...defaults, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const open = new Promise<void>((resolve, reject) => {
    const hear = (chunk: Buffer): void => {
      text += chunk.toString();
      if (text.includes('Ctrl-C stops it')) resolve();
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('exit', (code) => reject(new Error(`ended with ${code} before it was open:\n${text}`)));
    setTimeout(() => reject(new Error(`not open in time:\n${text}`)), START_MS_MAX).unref();
  });
  open.catch(() => child.kill('SIGKILL'));
  await open;
  return {
    child,
    output: () => text,
    url(role) {
      const found = new RegExp(`^ *${role} +(http://\\S+)`, 'm').exec(text);
      if (!found?.[1]) throw new Error(`no ${role} in:\n${text}`);
      return found[1];
    },
    kill: (signal) => void child.kill(signal),
    async end(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit');
        child.kill(signal);
        await ended;
      }
      return child.exitCode;
    },
  };
}

/** A folder for one test; removed by `remove`. */
export function scratchDir(): { readonly dir: string; remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), 'ticktak-e2e-'));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

/** The fields of our answers that tests read; absent ones are undefined. */
export interface Json {
  readonly id: string;
  readonly token: string;
  readonly status: string;
  readonly code: string;
  readonly reason: string;
  readonly outcome: string;
  readonly remaining: number;
  readonly matches: readonly Json[];
  readonly matchNumber: number;
  readonly availability: Readonly<
    Record<
      string,
      {
        readonly available: number;
        readonly pending: number;
        readonly price: number;
        readonly status: string;
      }
    >
  >;
}

export interface Answer {
  readonly status: number;
  readonly body: Json;
}

/** One JSON request. Rejects only when the connection fails. */
export async function request(
  method: string,
  url: string,
  { body, key, token }: { readonly body?: unknown; readonly key?: string; readonly token?: string } = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...(key !== undefined && { 'Idempotency-Key': key }),
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: JSON.parse(text === '' ? '{}' : text) as Json };
}
