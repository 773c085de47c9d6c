/** The previous version's code, taken from the repository's own history and compiled into a folder of its own. */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { transformFileSync } from '@swc/core';

const ROOT = new URL('../../', import.meta.url).pathname;
const ARCHIVE_BYTES_MAX = 256 * 2 ** 20;

export interface Release {
  readonly tag: string;
  /** What the tag names, for copies of the repository that were made without tags. */
  readonly commit: string;
}

/**
 * The release before this version. Its commit is written down, because history alone does not tell it: package.json
 * said 0.1.0 for some more commits, which already store what 0.2.0 stores.
 */
export const PREVIOUS: Release = { tag: 'v0.1.0', commit: '10f689a9e9a5e212d50360eb1d4aa65f57532371' };

/** Where the previous version was found, or why it cannot be had. */
export type Found = { readonly commit: string; readonly by: string } | { readonly missing: string };

export interface PreviousVersion {
  /** Its `run.js`. */
  readonly main: string;
  remove(): void;
}

const git = (root: string, ...args: readonly string[]): Buffer =>
  execFileSync('git', args, { cwd: root, maxBuffer: ARCHIVE_BYTES_MAX, stdio: ['ignore', 'pipe', 'pipe'] });

const textOf = (root: string, ...args: readonly string[]): string =>
  git(root, ...args)
    .toString()
    .trim();

/** The commit that a name stands for; null where it or its files are not there. */
function commitOf(root: string, name: string): string | null {
  try {
    const commit = textOf(root, 'rev-parse', '--verify', '--quiet', `${name}^{commit}`);
    git(root, 'cat-file', '-e', `${commit}:package.json`);
    return commit;
  } catch {
    return null;
  }
}

interface Package {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  /** Among them those that only the previous version needs to run. */
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const packageAt = (root: string, commit: string): Package =>
  JSON.parse(git(root, 'show', `${commit}:package.json`).toString()) as Package;

const packageNow = (root: string): Package =>
  JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Package;

/** By its tag; else, in a copy of the repository without tags, by its commit. Null: it has neither. */
export function findPrevious(root = ROOT, { tag, commit }: Release = PREVIOUS): Found {
  try {
    // A folder that was unpacked inside another repository has no history of its own.
    const top = textOf(root, 'rev-parse', '--show-toplevel');
    if (realpathSync(top) !== realpathSync(root)) return { missing: 'this copy is not a repository' };
  } catch (error) {
    const { stderr } = error as { readonly stderr?: Buffer };
    return {
      missing: `this copy has no history that git reads (${stderr?.toString().trim() ?? String(error)})`,
    };
  }
  const [tagged, named] = [commitOf(root, `refs/tags/${tag}`), commitOf(root, commit)];
  const found = tagged ?? named;
  if (found === null) {
    const how = textOf(root, 'rev-parse', '--is-shallow-repository') === 'true' ? '--unshallow' : '--tags';
    return {
      missing: `this copy's history has neither the tag ${tag} nor its commit ${commit} (git fetch ${how})`,
    };
  }
  return { commit: found, by: tagged ? `tag ${tag}` : `commit, in a copy without the tag ${tag}` };
}

/**
 * The version that package.json had before the present one, on the line of first parents; null where history does not
 * reach back so far. A release that is not followed by a new `PREVIOUS` is found by it.
 */
export function versionBefore(root = ROOT): string | null {
  const { version } = packageNow(root);
  const changes = textOf(
    root,
    'log',
    '--first-parent',
    '-m',
    '-G"version"',
    '--format=%P',
    '--',
    'package.json',
  );
  const parents = changes.split('\n').map((line) => line.split(' ')[0] ?? '');
  for (const commit of ['HEAD', ...parents]) {
    // The first commit of all has no parent, and that of the last commit of a shallow copy is not there.
    if (commit === '' || commitOf(root, commit) === null) continue;
    const { version: before } = packageAt(root, commit);
    if (before !== version) return before;
  }
  return null;
}

/** The previous version as it can be had here, on the packages that are installed now. */
export function previousHere(): Found {
  const found = findPrevious();
  if ('missing' in found) return found;
  const before = packageAt(ROOT, found.commit).dependencies ?? {};
  const { dependencies, devDependencies } = packageNow(ROOT);
  const now: Readonly<Record<string, string>> = { ...devDependencies, ...dependencies };
  const other = Object.keys(before).filter((name) => before[name] !== now[name]);
  if (other.length === 0) return found;
  return { missing: `${PREVIOUS.tag} needs other packages than are installed: ${other.join(', ')}` };
}

/** Compiled without a look at its types, which were looked at then. */
export function previousVersion(): PreviousVersion {
  const found = previousHere();
  if ('missing' in found) throw new Error(found.missing);
  const dir = mkdtempSync(join(tmpdir(), 'ticktak-previous-'));
  const tar = git(ROOT, 'archive', '--format=tar', found.commit, 'src', 'config', 'package.json');
  execFileSync('tar', ['-x', '-C', dir], { input: tar });
  for (const folder of ['src', 'config']) compile(join(dir, folder), join(dir, 'dist', folder));
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
  const main = join(dir, 'dist', 'src', 'run.js');
  if (!existsSync(main)) throw new Error(`${PREVIOUS.tag} has no src/run.ts`);
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
