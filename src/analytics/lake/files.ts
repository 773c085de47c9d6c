/**
 * The files of a lake, by paths within its folder. Guarantees: what `create` made is whole and durable as soon as it
 * is there, and is made once, whoever tries at the same time; what `sync` answered survives a power cut.
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface LakeFiles {
  /** Absolute. */
  pathOf(path: string): string;
  /** Null when there is none. */
  read(path: string): Promise<string | null>;
  /** False when it was there before. */
  create(path: string, content: string): Promise<boolean>;
  /** In place of what is there. Not durable: for what means nothing after a power cut. */
  replace(path: string, content: string): Promise<void>;
  /** Names in a folder; none when it is not there. */
  list(path: string): Promise<readonly string[]>;
  /** Makes the folder of a file that is about to be written by others. */
  prepare(path: string): Promise<void>;
  /** Makes what others wrote durable. Answers its bytes. */
  sync(path: string): Promise<number>;
  /** Nothing happens when it is not there. */
  remove(path: string): Promise<void>;
}

/** Ends the names of files that are not complete; nobody reads them. */
export const DRAFT = '.draft';

export class DiskFiles implements LakeFiles {
  readonly #dir: string;

  /** `dir`: absolute. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  pathOf(path: string): string {
    return join(this.#dir, path);
  }

  async read(path: string): Promise<string | null> {
    return readFile(this.pathOf(path), 'utf8').catch(nullIfMissing);
  }

  async create(path: string, content: string): Promise<boolean> {
    const draft = await this.#draft(path, content, { isDurable: true });
    try {
      await link(draft, this.pathOf(path));
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      throw error;
    } finally {
      await rm(draft, { force: true });
    }
    await syncFolder(dirname(this.pathOf(path)));
    return true;
  }

  async replace(path: string, content: string): Promise<void> {
    await rename(await this.#draft(path, content, { isDurable: false }), this.pathOf(path));
  }

  async list(path: string): Promise<readonly string[]> {
    return (await readdir(this.pathOf(path)).catch(nullIfMissing)) ?? [];
  }

  async prepare(path: string): Promise<void> {
    const folder = dirname(this.pathOf(path));
    const first = await mkdir(folder, { recursive: true, mode: 0o700 });
    // A folder that is new is an entry of the one above.
    if (first !== undefined) await syncFolder(dirname(folder));
  }

  async sync(path: string): Promise<number> {
    const file = await open(this.pathOf(path), 'r+');
    try {
      await file.sync();
      return (await file.stat()).size;
    } finally {
      await file.close();
      await syncFolder(dirname(this.pathOf(path)));
    }
  }

  async remove(path: string): Promise<void> {
    await rm(this.pathOf(path), { force: true, recursive: true });
  }

  async #draft(path: string, content: string, { isDurable }: { isDurable: boolean }): Promise<string> {
    const draft = `${this.pathOf(path)}.${randomBytes(6).toString('hex')}${DRAFT}`;
    await this.prepare(path);
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(content);
      if (isDurable) await file.sync();
    } finally {
      await file.close();
    }
    return draft;
  }
}

async function syncFolder(folder: string): Promise<void> {
  // Windows has no handle for a folder to sync.
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}

function nullIfMissing(error: unknown): null {
  if (codeOf(error) === 'ENOENT') return null;
  throw error;
}

// Not by `instanceof Error`: errors of Node itself may come from another realm (node:vm).
function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
