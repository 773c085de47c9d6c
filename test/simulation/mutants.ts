/** Copies of the sources in which one thing is wrong, and the simulator, or its Redis, that must notice. */
import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = resolve(fileURLToPath(new URL('../..', import.meta.url)));
export const PATCHES = new URL('./mutations/', import.meta.url);
/** What a simulation and a comparison import. */
const COPIED = [
  'src',
  'config',
  'test/simulation',
  'test/helpers',
  'test/exchange',
  'test/rules',
  'package.json',
];

/** Names of the patches. */
export async function mutations(): Promise<readonly string[]> {
  const files = await readdir(PATCHES);
  return files.filter((file) => file.endsWith('.patch')).map((file) => file.replace(/\.patch$/, ''));
}

export interface Verdict {
  /** What broke, one line for each seed that did; empty when nothing did. */
  readonly violations: readonly string[];
  readonly output: string;
}

/** Simulates a copy of the sources with the patch applied; null for none. Rejects when it does not apply. */
export function simulateMutant(patch: string | null, args: readonly string[]): Promise<Verdict> {
  return runMutant(patch, 'main.ts', args);
}

/** Compares the simulated Redis with the run's real one, which has the scripts of the copy, in one conversation a seed. */
export function compareMutant(patch: string | null, seeds: readonly number[]): Promise<Verdict> {
  return runMutant(patch, 'compare.ts', seeds.map(String));
}

async function runMutant(patch: string | null, program: string, args: readonly string[]): Promise<Verdict> {
  const copy = await mkdtemp(join(tmpdir(), 'ticktak-mutant-'));
  try {
    for (const path of COPIED) {
      await mkdir(join(copy, path, '..'), { recursive: true });
      await cp(join(ROOT, path), join(copy, path), { recursive: true });
    }
    await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    if (patch !== null) {
      const applied = await output('git', ['apply', fileURLToPath(new URL(`${patch}.patch`, PATCHES))], copy);
      if (applied.code !== 0) throw new Error(`${patch} does not apply: ${applied.text}`);
    }
    const loader = pathToFileURL(join(copy, 'test/helpers/typescript.mjs')).href;
    const main = join(copy, 'test/simulation', program);
    const { text, code } = await output(process.execPath, ['--import', loader, main, ...args], copy);
    const violations = text.split('\n').filter((line) => /^seed \d+: /.test(line));
    // It ends with 1 for violations; anything else is no verdict.
    if (code !== (violations.length > 0 ? 1 : 0)) throw new Error(`${program} ended with ${code}: ${text}`);
    return { violations, output: text };
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

function output(
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<{ code: number | null; text: string }> {
  return new Promise((resolveOutput, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    const take = (chunk: Buffer): void => {
      text += chunk.toString();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', reject);
    child.on('close', (code) => resolveOutput({ code, text }));
  });
}
