/**
 * What stands for Kafka and MongoDB in this run, as its set-up found it, and how suites share one server of each:
 * the first that needs it starts it, and the run's teardown stops it.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const WAIT_MS_MAX = 90_000;

export interface Found {
  /** `stand-in`: something else that speaks the protocol. */
  readonly kind: 'real' | 'stand-in' | 'none';
  readonly name: string;
  readonly version: string;
  /** Why it is not the real one: for `skipBecause`. */
  readonly reason: string;
}

/** How it is started; which of them are there depends on its name. */
export interface Startable extends Found {
  readonly path?: string;
  readonly classPath?: string;
  readonly logging?: string;
}

export function found(what: 'kafka' | 'mongo' | 'browser' | 'restate'): Startable {
  const services = JSON.parse(fromSetup('TEST_SERVICES')) as Record<string, Partial<Startable>>;
  return { kind: 'none', name: what, version: '', reason: '', ...services[what] };
}

/** The process of the test run, which shared servers do not outlive. */
export const runPid = (): number => Number(fromSetup('TEST_RUN_PID'));

/** Calls `start` once per run; whoever asks meanwhile or later gets the same answer. It has to fit into JSON. */
export async function shared<T>(name: string, start: () => Promise<T>): Promise<T> {
  const dir = fromSetup('TEST_RUN_DIR');
  const file = join(dir, `${name}.json`);
  if (isFirst(join(dir, `${name}.lock`))) {
    const answer = await start().catch((error: unknown) => ({ failure: String(error) }));
    writeFileSync(`${file}.new`, JSON.stringify(answer));
    renameSync(`${file}.new`, file);
  }
  const giveUpAt = Date.now() + WAIT_MS_MAX;
  while (!existsSync(file)) {
    if (Date.now() > giveUpAt) throw new Error(`nobody has started ${name} within ${WAIT_MS_MAX} ms`);
    await sleep(50);
  }
  const answer = JSON.parse(readFileSync(file, 'utf8')) as T & { readonly failure?: string };
  if (answer.failure !== undefined) throw new Error(answer.failure);
  return answer;
}

/** For a topic or a database that no other test has. */
export const uniqueName = (prefix: string): string => `${prefix}-${randomUUID().slice(0, 8)}`;

function isFirst(lock: string): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch {
    return false;
  }
}

function fromSetup(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: only int and e2e tests have servers`);
  return value;
}
