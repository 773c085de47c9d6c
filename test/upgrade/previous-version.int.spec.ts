/** Which commit stands for the previous version: in this repository, and in copies made without tags or history. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { PREVIOUS, findPrevious, versionBefore } from '../helpers/previous-version.js';

const TAG = 'v1.0.0';
const ROOT = new URL('../../', import.meta.url).pathname;

describe('the previous version', () => {
  let scratch: string;
  let origin: string;
  /** The release, and the last commit that still says its version. */
  let release: string;
  let last: string;

  function git(dir: string, ...args: readonly string[]): string {
    const who = ['-c', 'user.name=A', '-c', 'user.email=a@example.org', '-c', 'commit.gpgsign=false'];
    return execFileSync('git', [...who, ...args], {
      cwd: dir,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  }
  const write = (dir: string, content: unknown): void =>
    writeFileSync(join(dir, 'package.json'), JSON.stringify(content, null, 2));
  function commit(dir: string, content: unknown): string {
    write(dir, content);
    git(dir, 'add', 'package.json');
    git(dir, 'commit', '--quiet', '-m', 'a step');
    return git(dir, 'rev-parse', 'HEAD');
  }
  function cloned(...options: readonly string[]): string {
    const dir = mkdtempSync(join(scratch, 'clone-'));
    git(scratch, 'clone', '--quiet', ...options, `file://${origin}`, dir);
    return dir;
  }

  beforeEach(() => {
    scratch = mkdtempSync(join(tmpdir(), 'ticktak-history-'));
    origin = join(scratch, 'origin');
    mkdirSync(origin);
    git(origin, 'init', '--quiet', '-b', 'main');
    commit(origin, { version: '0.9.0' });
    release = commit(origin, { version: '1.0.0' });
    git(origin, 'tag', TAG);
    last = commit(origin, { version: '1.0.0', scripts: { build: 'x' } });
    commit(origin, { version: '1.1.0', scripts: { build: 'x' } });
    // A line that has the word and is not the version of the package.
    commit(origin, { version: '1.1.0', scripts: { build: 'x' }, tool: { version: '7' } });
  });
  afterEach(() => rmSync(scratch, { recursive: true }));

  const previous = () => ({ tag: TAG, commit: release });

  it('is what its tag names', () => {
    expect(findPrevious(cloned(), { tag: TAG, commit: last })).toEqual({ commit: release, by: `tag ${TAG}` });
  });

  it('is its commit where no tags were fetched', () => {
    const dir = cloned('--no-tags');
    expect(git(dir, 'tag')).toBe('');
    expect(findPrevious(dir, previous())).toEqual({
      commit: release,
      by: expect.stringContaining('without'),
    });
    expect(versionBefore(dir)).toBe('1.0.0');
  });

  it('is not there in a copy without history, and what would fetch it is said', () => {
    const shallow = cloned('--no-tags', '--depth', '1');
    expect(findPrevious(shallow, previous())).toEqual({ missing: expect.stringContaining('--unshallow') });
    expect(versionBefore(shallow)).toBeNull();
    const folder = join(scratch, 'unpacked');
    mkdirSync(folder);
    expect(findPrevious(folder, previous())).toEqual({ missing: expect.stringContaining('no history') });
    // A folder inside another repository.
    const inside = join(origin, 'inside');
    mkdirSync(inside);
    expect(findPrevious(inside, previous())).toEqual({
      missing: expect.stringContaining('not a repository'),
    });
  });

  it('is there in a copy that reaches back so far and no farther', () => {
    const dir = cloned('--no-tags', '--depth', '4');
    expect(findPrevious(dir, previous())).toMatchObject({ commit: release });
    expect(versionBefore(dir)).toBe('1.0.0');
  });

  it('said another version than the present one: on this line, merged, committed or not', () => {
    expect(versionBefore(origin)).toBe('1.0.0');
    git(origin, 'checkout', '--quiet', '-b', 'next');
    commit(origin, { version: '2.0.0' });
    git(origin, 'checkout', '--quiet', 'main');
    git(origin, 'commit', '--quiet', '--allow-empty', '-m', 'meanwhile');
    git(origin, 'merge', '--quiet', '--no-ff', '-m', 'merge', 'next');
    expect(versionBefore(origin)).toBe('1.1.0');
    write(origin, { version: '3.0.0' });
    expect(versionBefore(origin)).toBe('2.0.0');
  });

  it('of this repository is named in test/helpers/previous-version.ts', () => {
    const before = versionBefore();
    // Without history there is nothing to compare with.
    if (before !== null) expect(`v${before}`).toBe(PREVIOUS.tag);
    const found = findPrevious();
    if ('missing' in found) return;
    expect(found.commit).toBe(PREVIOUS.commit);
    const json = git(ROOT, 'show', `${found.commit}:package.json`);
    expect(JSON.parse(json)).toMatchObject({ version: PREVIOUS.tag.slice(1) });
  });
});
