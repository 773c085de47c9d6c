/** What processes use of the machine. Linux only: it reads /proc. */
import { readFileSync } from 'node:fs';
import type { Part } from './contender.js';

/** Clock ticks of /proc/<pid>/stat per second. */
const TICKS_PER_S = 100;
const KIB = 1_024;

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

/** Null when the process is gone, or on another system. */
function sample(pid: number): Sample | null {
  try {
    // The name in it may have spaces.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return { ticks: Number(fields[11]) + Number(fields[12]), mib: Number(kib ?? 0) / KIB };
  } catch {
    return null;
  }
}

/** Starts to look; what it answers tells what was used since. */
export function watchUsage(parts: readonly Part[]): () => Usage[] {
  const before = parts.map(({ pid }) => sample(pid));
  const startedAt = performance.now();
  return () => {
    const seconds = (performance.now() - startedAt) / 1_000;
    return parts.flatMap(({ name, pid }, index) => {
      const [first, last] = [before[index], sample(pid)];
      if (!first || !last) return [];
      return [{ name, cores: (last.ticks - first.ticks) / TICKS_PER_S / seconds, mib: last.mib }];
    });
  };
}
