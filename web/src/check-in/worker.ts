/**
 * The service worker of the stewards' page: it opens without a network once it was opened with one.
 *
 * Guarantees: nothing but that page and the files it is made of is ever answered from here, so the shop and the API
 * are as if there was none; page and files that are kept are of one build; with a network the page is the server's.
 *
 * A script of its own, outside of the app's bundle. The build writes into it which files the page needs.
 */

/** As far as it is used: the types of workers and of pages exclude each other. */
interface LastingEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface AskingEvent extends LastingEvent {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}
interface Worker {
  readonly registration: { readonly scope: string };
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate', listener: (event: LastingEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: AskingEvent) => void): void;
}

/** Written by the build (vite.config.ts). */
declare const __CHECK_IN_FILES__: readonly string[];
declare const __CHECK_IN_VERSION__: string;

const worker = globalThis as unknown as Worker;
const FILES: ReadonlySet<string> = new Set(__CHECK_IN_FILES__);
const PREFIX = 'ticktak.check-in.';
const CACHE = PREFIX + __CHECK_IN_VERSION__;
/** Of builds: pages that are open go on with the files of theirs. */
const KEPT_MAX = 2;
/** How long the server may take for the page while there is one here. */
const PAGE_MS_MAX = 2_000;
const PAGE = worker.registration.scope;
const pathOf = (url: string): string => new URL(url).pathname.replace(/\/$/, '');

worker.addEventListener('install', (event) => event.waitUntil(keep()));
worker.addEventListener('activate', (event) =>
  event.waitUntil(Promise.all([forgetOld(), worker.clients.claim()])),
);
worker.addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== location.origin) return;
  if (request.mode === 'navigate') {
    if (pathOf(request.url) === pathOf(PAGE)) event.respondWith(page(request));
  } else if (FILES.has(pathname)) event.respondWith(file(request));
});

/** All of it or nothing: a page without one of its files would not open. */
async function keep(): Promise<void> {
  const cache = await caches.open(CACHE);
  await Promise.all([...FILES].map(async (path) => cache.put(path, await fetched(path))));
  const answer = await fetched(PAGE, { cache: 'no-store' });
  const html = await answer.clone().text();
  const needed = html.match(/\/assets\/[^"\s>]+/g) ?? [];
  if (needed.some((path) => !FILES.has(path))) throw new Error('the page is of another build');
  await cache.put(PAGE, answer);
  await worker.skipWaiting();
}

async function fetched(path: string, options: RequestInit = {}): Promise<Response> {
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer;
}

/** Names come in the order in which the caches were made. */
async function forgetOld(): Promise<void> {
  const ours = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  const old = ours.slice(0, Math.max(0, ours.length - (KEPT_MAX - 1)));
  await Promise.all(old.map((name) => caches.delete(name)));
}

/** The server's, unless it takes too long or cannot. */
async function page(request: Request): Promise<Response> {
  const asked = fetch(request);
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), PAGE_MS_MAX));
  const answer = await Promise.race([asked, late]).catch(() => null);
  if (answer && answer.status < 500) return answer;
  return (await kept(PAGE)) ?? asked;
}

/** Another content has another name. */
async function file(request: Request): Promise<Response> {
  return (await kept(request.url)) ?? fetch(request);
}

/** Of this build, or of one before it that a page may still be of. */
async function kept(url: string): Promise<Response | undefined> {
  // Encodings and the theme do not matter here: what is kept is decoded, and the page follows the cookie itself.
  const options = { ignoreVary: true, ignoreSearch: true };
  const own = await (await caches.open(CACHE)).match(url, options);
  return own ?? caches.match(url, options);
}
