/** How much memory a process has that was started with the probe (`probe.mjs`). */
import { connect } from 'node:net';

export interface Memory {
  readonly rss: number;
  readonly heapUsed: number;
  /** Beside the heap: buffers, and what libraries of other languages say they have. */
  readonly external: number;
  /** Of `rss`: pages of files, which the system takes back when it needs them. 0 where that is not told. */
  readonly mapped: number;
}
export type Measure = keyof Memory | 'own';

/** `own`: what is resident and no page of a file. */
const measured = (memory: Memory, of: Measure): number =>
  of === 'own' ? memory.rss - memory.mapped : memory[of];

const PROBE = new URL('./probe.mjs', import.meta.url).href;

/** For the environment of the process; its answers come at this socket. */
export const probed = (socket: string): Readonly<Record<string, string>> => ({
  NODE_OPTIONS: `--import ${PROBE}`,
  FUZZ_PROBE: socket,
});

/** After everything was collected that can be. Rejects when the process does not tell. */
export function memoryAt(path: string): Promise<Memory> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = '';
    socket.on('data', (chunk) => (text += String(chunk)));
    socket.on('error', reject);
    socket.on('close', () => {
      try {
        resolve(JSON.parse(text) as Memory);
      } catch (error) {
        reject(new Error('the process does not tell its memory', { cause: error }));
      }
    });
  });
}

export interface Growth {
  readonly first: number;
  readonly second: number;
  /** 0.1 for a tenth more. */
  readonly share: number;
}

const median = (samples: readonly Memory[], of: Measure): number =>
  samples.map((one) => measured(one, of)).toSorted((a, b) => a - b)[Math.floor(samples.length / 2)] ?? 0;

/** What the second half of the samples took more than the first: of their medians. */
export function growthOf(memory: readonly Memory[], of: Measure): Growth {
  const half = Math.floor(memory.length / 2);
  const [first, second] = [median(memory.slice(0, half), of), median(memory.slice(half), of)];
  return { first, second, share: second / first - 1 };
}

/** Their medians in so many parts of the run, in order. */
export function courseOf(memory: readonly Memory[], of: Measure, parts: number): number[] {
  const at = (part: number): number => Math.round((memory.length * part) / parts);
  return Array.from({ length: parts }, (_, part) => median(memory.slice(at(part), at(part + 1)), of));
}
