/**
 * The shop as a person meets it: a whole marketplace in a process of its own, and a real browser in front of it.
 * A suite asks `browserFound` first and skips aloud where there is none.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  chromium,
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type Page,
} from 'playwright-core';
import { freePort } from '../helpers/ports.js';
import { run, scratchDir, type Running } from '../helpers/processes.js';
import { found } from '../helpers/services.js';

export const browserFound = found('browser');

/** Nothing but the pages of the test: no updates, no requests of the browser's own. */
const QUIET = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const WAIT_MS_MAX = 15_000;

export function launch(): Promise<Browser> {
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath: browserFound.path ?? '', args: [...QUIET, ...sandbox] });
}

/** A browser that does not say it has no window: what people have. */
const AGENT =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36';

export const SIZES = {
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 },
  desktop: { viewport: { width: 1280, height: 900 } },
} as const satisfies Record<string, BrowserContextOptions>;
export type Size = keyof typeof SIZES;

export interface Visitor {
  readonly context: BrowserContext;
  readonly page: Page;
  /** What the page's scripts complained about; a test ends with none. */
  readonly errors: readonly string[];
}

/** Somebody with an empty browser of their own. */
export async function visit(
  browser: Browser,
  size: Size,
  options: BrowserContextOptions = {},
): Promise<Visitor> {
  const context = await browser.newContext({
    userAgent: AGENT,
    locale: 'en-GB',
    timezoneId: 'America/Sao_Paulo',
    reducedMotion: 'reduce',
    ...SIZES[size],
    ...options,
  });
  context.setDefaultTimeout(WAIT_MS_MAX);
  const errors: string[] = [];
  context.on('weberror', (error) => errors.push(String(error.error())));
  const page = await context.newPage();
  return { context, page, errors };
}

export interface Shop {
  readonly url: string;
  /** The first operator, whom its first start made. */
  readonly operator: { readonly email: string; readonly password: string };
  /** Where one of its services answers by itself: not all of what they do is forwarded. */
  role(name: string): string;
  /** Ends it with all that it started; its folder stays. */
  close(): Promise<void>;
  /** Starts it again where it was. */
  reopen(): Promise<void>;
  /** Mails to an address, oldest first, decoded as far as tests read them. */
  mailsTo(email: string): readonly string[];
  /** The newest link of a mail to an address that begins with a path. */
  linkFor(email: string, path: string): string | null;
  stop(): Promise<void>;
}

/** A marketplace on ports of its own that links in mails lead to. */
export async function openShop(env: Readonly<Record<string, string>> = {}): Promise<Shop> {
  const scratch = scratchDir();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const own = { DATA_DIR: scratch.dir, CLIENT_PORT: String(port), PUBLIC_URL: url, GUESTS: 'confirmed' };
  const open = (): Promise<Running> => run([], { ...own, ...env });
  let running = await open();
  const mailsTo = (email: string): readonly string[] =>
    readdirSync(join(scratch.dir, 'mail'))
      .filter((name) => name.endsWith('.eml'))
      .sort()
      .map((name) => decoded(readFileSync(join(scratch.dir, 'mail', name), 'utf8')))
      .filter((text) => text.includes(`To: ${email}`));
  const [, email = '', password = ''] =
    /password is shown this once.*\n +(\S+)\n +(\S+)\n/.exec(running.output()) ?? [];
  return {
    url,
    operator: { email, password },
    role: (name) => running.url(name),
    mailsTo,
    close: async () => {
      await running.end();
    },
    reopen: async () => {
      running = await open();
    },
    linkFor: (email, path) =>
      mailsTo(email)
        .flatMap((text) => text.match(/https?:\/\/[^\s"<>]+/g) ?? [])
        .filter((link) => link.startsWith(`${url}${path}`))
        .at(-1) ?? null,
    async stop() {
      await running.end();
      scratch.remove();
    },
  };
}

/** Quoted-printable, as far as links and plain words need it. */
const decoded = (mail: string): string => mail.replace(/=\r?\n/g, '').replaceAll('=3D', '=');

let people = 0;
/** An address that nobody else has. */
export function newEmail(name: string): string {
  people += 1;
  return `${name}-${process.pid}-${people}@example.org`;
}
