/** What processes use of the machine. Linux only: it reads /proc. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Part } from './contender.js';

/** Clock ticks of /proc/<pid>/stat per second. */
const TICKS_PER_S = 100;
const KIB = 1_024;
const BYTES_PER_MB = 1_000_000;

export interface Usage {
  readonly name: string;
  /** Processors it kept busy, 1 being one. */
  readonly cores: number;
  /** Resident memory at the end. */
  readonly mib: number;
}

interface Sample {
  readonly ticks: number;
  readonly mib: number;
}

/** Fields behind the name of /proc/<pid>/stat, which may have spaces: the state comes first. */
const statOf = (pid: number): string[] =>
  readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];

/** Resident memory of one process, megabytes. */
export interface Memory {
  readonly all: number;
  /** Of it pages of files, which the system takes back when it needs them. */
  readonly files: number;
}

/** Why memory cannot be looked at; null when it can. */
export const memoryMissing = (): Promise<string | null> =>
  Promise.resolve(existsSync('/proc/self/status') ? null : 'it reads /proc, which only Linux has');

/** Throws when the process is gone. */
export function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mb = (name: string): number =>
    (Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * KIB) / BYTES_PER_MB;
  return { all: mb('VmRSS'), files: mb('RssFile') };
}

/** With the processes that it started, as PostgreSQL has one for each connection. Null when it is gone, or on another system. */
function sample(pid: number, children: ReadonlyMap<number, readonly number[]>): Sample | null {
  try {
    const fields = statOf(pid);
    const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    const own = { ticks: Number(fields[11]) + Number(fields[12]), mib: Number(kib ?? 0) / KIB };
    return (children.get(pid) ?? [])
      .map((child) => sample(child, children))
      .reduce<Sample>(
        (sum, of) => ({ ticks: sum.ticks + (of?.ticks ?? 0), mib: sum.mib + (of?.mib ?? 0) }),
        own,
      );
  } catch {
    return null;
  }
}

function samples(parts: readonly Part[]): (Sample | null)[] {
  const children = childrenOfAll();
  return parts.map(({ pid }) => sample(pid, children));
}

function childrenOfAll(): ReadonlyMap<number, readonly number[]> {
  const children = new Map<number, number[]>();
  for (const name of existsSync('/proc') ? readdirSync('/proc') : []) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const parent = Number(statOf(Number(name))[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // It has ended meanwhile.
    }
  }
  return children;
}

/** Starts to look; what it answers tells what was used since. */
export function watchUsage(parts: readonly Part[]): () => Usage[] {
  const before = samples(parts);
  const startedAt = performance.now();
  return () => {
    const seconds = (performance.now() - startedAt) / 1_000;
    const after = samples(parts);
    return parts.flatMap(({ name }, index) => {
      const [first, last] = [before[index], after[index]];
      if (!first || !last) return [];
      return [{ name, cores: (last.ticks - first.ticks) / TICKS_PER_S / seconds, mib: last.mib }];
    });
  };
}
