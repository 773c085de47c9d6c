/** The previous version's code, taken from the repository's own history and compiled into a folder of its own. */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { transformFileSync } from '@swc/core';

const ROOT = new URL('../../', import.meta.url).pathname;
const ARCHIVE_BYTES_MAX = 256 * 2 ** 20;

/** The release before this version. */
export const PREVIOUS_TAG = 'v0.1.0';

export interface PreviousVersion {
  /** Its `run.js`. */
  readonly main: string;
  remove(): void;
}

const git = (...args: string[]): Buffer =>
  execFileSync('git', args, { cwd: ROOT, maxBuffer: ARCHIVE_BYTES_MAX, stdio: ['ignore', 'pipe', 'ignore'] });

/** Why it cannot be had here; null when it can. */
export function previousMissing(): string | null {
  try {
    git('rev-parse', '--verify', '--quiet', `${PREVIOUS_TAG}^{commit}`);
  } catch {
    return `this copy of the repository has no tag ${PREVIOUS_TAG} (git fetch --tags, or a clone that is not shallow)`;
  }
  const dependencies = (text: string): Readonly<Record<string, string>> =>
    (JSON.parse(text) as { dependencies: Record<string, string> }).dependencies;
  const [before, now] = [
    dependencies(git('show', `${PREVIOUS_TAG}:package.json`).toString()),
    dependencies(readFileSync(join(ROOT, 'package.json'), 'utf8')),
  ];
  const other = Object.keys(before).filter((name) => before[name] !== now[name]);
  return other.length === 0
    ? null
    : `${PREVIOUS_TAG} needs other packages than are installed: ${other.join(', ')}`;
}

/** Compiled without a look at its types, which were looked at then; on the packages that are installed now. */
export function previousVersion(): PreviousVersion {
  const dir = mkdtempSync(join(tmpdir(), 'ticktak-previous-'));
  const tar = git('archive', '--format=tar', PREVIOUS_TAG, 'src', 'config', 'package.json');
  execFileSync('tar', ['-x', '-C', dir], { input: tar });
  for (const folder of ['src', 'config']) compile(join(dir, folder), join(dir, 'dist', folder));
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
  const main = join(dir, 'dist', 'src', 'run.js');
  if (!existsSync(main)) throw new Error(`${PREVIOUS_TAG} has no src/run.ts`);
  return { main, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

function compile(from: string, to: string): void {
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name.endsWith('.d.ts')) continue;
    const file = join(entry.parentPath, entry.name);
    const out = join(to, file.slice(from.length));
    mkdirSync(dirname(out), { recursive: true });
    if (extname(file) !== '.ts') {
      cpSync(file, out);
      continue;
    }
    const { code } = transformFileSync(file, {
      swcrc: false,
      jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
      module: { type: 'es6' },
    });
    writeFileSync(out.replace(/\.ts$/, '.js'), code);
  }
}
