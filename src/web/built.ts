/** The built web app on disk: what browsers load, and the program that makes pages on the server. */
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import type { MatchView } from '../http/read-model.js';

/** What a page is made of. */
export interface RenderInput {
  /** Path and query. */
  readonly url: string;
  /** Where people find the web app, without a path: for absolute links. */
  readonly origin: string;
  /** Null when the shop does not answer. */
  readonly matches: readonly MatchView[] | null;
  /** The shop does not answer, and `matches` is what it last said. */
  readonly isStale: boolean;
  /** Epoch milliseconds. */
  readonly now: number;
  /** What the browser chose before; absent when it follows the system. */
  readonly theme?: 'light' | 'dark';
}

export interface Rendered {
  readonly status: number;
  /** A whole document. */
  readonly html: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export type Render = (input: RenderInput) => Rendered | Promise<Rendered>;

export interface ServerBundle {
  readonly render: Render;
  /** Languages, the one without a prefix first: `/ar/...` is Arabic. */
  readonly languages: readonly string[];
}

export interface BuiltWeb {
  readonly clientDir: string;
  /** Paths of the files that browsers may load, as in a URL. */
  readonly files: ReadonlySet<string>;
  /** The page without content, that the app fills in the browser. */
  readonly shell: string;
  /** Loads what makes pages, at the first call. */
  bundle(): Promise<ServerBundle>;
}

const LANGUAGES = ['en', 'ar'];
const FILES_MAX = 10_000;

const bundleSchema = z.object({
  render: z.custom<Render>((value) => typeof value === 'function'),
  languages: z.array(z.string()).min(1).default(LANGUAGES),
});
export const renderedSchema = z.object({
  status: z.number().int().min(200).max(599),
  html: z.string(),
  headers: z.record(z.string(), z.string()).optional(),
});

/** Null when it was not built. */
export async function findBuiltWeb(dir: string): Promise<BuiltWeb | null> {
  const clientDir = join(dir, 'client');
  const entry = join(dir, 'server', 'entry-server.js');
  try {
    const [shell, files] = await Promise.all([
      readFile(join(clientDir, 'index.html'), 'utf8'),
      filesIn(clientDir),
      readFile(entry),
    ]);
    return { clientDir, shell, files, bundle: once(() => loadBundle(entry)) };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

async function loadBundle(entry: string): Promise<ServerBundle> {
  const bundle: unknown = await import(pathToFileURL(entry).href);
  return bundleSchema.parse(bundle);
}

/** Not the page itself, which is made, nor what the build keeps for itself in folders with a dot. */
async function filesIn(dir: string): Promise<ReadonlySet<string>> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)).split(sep))
    .filter((parts) => !parts.some((part) => part.startsWith('.')))
    .map((parts) => `/${parts.join('/')}`)
    .filter((path) => path !== '/index.html' && !/\.(br|gz)$/.test(path));
  if (paths.length > FILES_MAX) throw new Error(`the built web app has more than ${FILES_MAX} files`);
  return new Set(paths);
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => (made ??= make());
}
